#include "worker/trainer/image_folder.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "tests/worker/trainer/temp_folder.h"
#include "tests/worker/trainer/test_images.h"
#include "worker/trainer/data_check.h"
#include "worker/trainer/dataset.h"
#include "worker/trainer/dataset_cache.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/image_decoder.h"

namespace layernas::trainer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Bytes = std::vector<std::uint8_t>;

Bytes Decode(const std::filesystem::path& path, const Shape& shape) {
  Bytes pixels(ImageBytes(shape));
  DecodeImage(path, shape, pixels.data());
  return pixels;
}

class Decoder : public TempFolder {
 protected:
  std::string Trouble(const std::filesystem::path& path) {
    try {
      Decode(path, {3, 4, 4});
    } catch (const MachineError& error) {
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
      return error.what();
    }
    return "decoded";
  }
};

TEST_F(Decoder, PngOfTheRightSizeIsTakenAsItIs) {
  TestImage image{3, 2, 3, Bytes(18)};
  std::iota(image.pixels.begin(), image.pixels.end(), 100);
  WritePng(folder_ / "a.png", image);
  EXPECT_EQ(Decode(folder_ / "a.png", {3, 2, 3}), image.pixels);
}

TEST_F(Decoder, ColoursBecomeWhatTheNetworkTakes) {
  WritePng(folder_ / "grey.png", Plain(5, 5, {77}));
  EXPECT_THAT(Decode(folder_ / "grey.png", {3, 2, 2}), Each(77));
  WritePng(folder_ / "half.png", Plain(5, 5, {200, 100, 50, 0}));
  EXPECT_THAT(Decode(folder_ / "half.png", {3, 2, 2}), Each(0));  // Transparent.
  WritePng(folder_ / "same.png", Plain(5, 5, {60, 60, 60}));
  EXPECT_THAT(Decode(folder_ / "same.png", {1, 5, 5}), Each(60));
  WriteJpeg(folder_ / "red.jpg", Plain(40, 40, {200, 20, 20}));
  const Bytes red = Decode(folder_ / "red.jpg", {3, 1, 1});
  EXPECT_NEAR(red[0], 200, 3);
  EXPECT_NEAR(red[1], 20, 3);
  WriteJpeg(folder_ / "grey.jpg", Plain(16, 16, {90}), TJPF_GRAY);
  EXPECT_THAT(Decode(folder_ / "grey.jpg", {3, 4, 4}), Each(90));
  // Inverted, as in Photoshop's files: no cyan and a little black.
  WriteJpeg(folder_ / "print.jpg", Plain(16, 16, {255, 128, 0, 200}), TJPF_CMYK);
  const Bytes print = Decode(folder_ / "print.jpg", {3, 1, 1});
  EXPECT_NEAR(print[0], 200, 3);
  EXPECT_NEAR(print[1], 100, 3);
  EXPECT_NEAR(print[2], 0, 3);
}

TEST_F(Decoder, EveryPixelCountsWhenAnImageGetsSmaller) {
  // Stripes of one pixel. Sampling only some pixels would give black or white.
  TestImage stripes{64, 64, 1, {}};
  for (int i = 0; i < 64 * 64; ++i) stripes.pixels.push_back(i % 2 == 0 ? 0 : 254);
  WritePng(folder_ / "stripes.png", stripes);
  for (const int value : Decode(folder_ / "stripes.png", {1, 4, 4})) EXPECT_NEAR(value, 127, 3);
  // A ramp must stay a ramp, in any format.
  TestImage ramp{128, 96, 3, {}};
  for (int i = 0; i < 128 * 96; ++i) ramp.pixels.insert(ramp.pixels.end(), 3, static_cast<std::uint8_t>(2 * (i % 128)));
  WritePng(folder_ / "ramp.png", ramp);
  WriteJpeg(folder_ / "ramp.jpg", ramp);
  for (const char* name : {"ramp.png", "ramp.jpg"}) {
    const Bytes small = Decode(folder_ / name, {1, 3, 4});
    for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(small[i], 31 + 64 * static_cast<int>(i % 4), 9) << name;
  }
  // An enlarged image has values between the two, in order.
  WritePng(folder_ / "two.png", {2, 1, 1, {0, 200}});
  EXPECT_THAT(Decode(folder_ / "two.png", {1, 1, 4}), ElementsAre(0, 50, 150, 200));
}

TEST_F(Decoder, WhatIsBrokenIsNamed) {
  TestImage noise{40, 40, 3, {}};
  for (int i = 0; i < 4800; ++i) noise.pixels.push_back(static_cast<std::uint8_t>(i * i % 251));
  WritePng(folder_ / "good.png", noise);
  WriteJpeg(folder_ / "good.jpg", noise);
  for (const char* name : {"good.png", "good.jpg"}) {
    ASSERT_EQ(Trouble(folder_ / name), "decoded");
    const std::string bytes = ReadAll(folder_ / name);
    for (const std::size_t size : {std::size_t{4}, std::size_t{30}, bytes.size() / 2, bytes.size() - 20}) {
      Write("cut", bytes.substr(0, size));
      EXPECT_NE(Trouble(folder_ / "cut"), "decoded") << name << " of " << size << " bytes";
    }
  }
  std::string damaged = ReadAll(folder_ / "good.png");
  damaged[damaged.size() / 2] ^= 0x40;
  Write("damaged.png", damaged);
  EXPECT_NE(Trouble(folder_ / "damaged.png"), "decoded");
  Write("text.png", "not an image");
  EXPECT_THAT(Trouble(folder_ / "text.png"), HasSubstr("neither PNG nor JPEG"));
  Write("empty.png", "");
  EXPECT_THAT(Trouble(folder_ / "empty.png"), HasSubstr("neither PNG nor JPEG"));
  EXPECT_THAT(Trouble(folder_ / "absent.png"), HasSubstr("No such file"));
}

// Photographs from cameras and the web have such bytes, but the image is complete.
TEST_F(Decoder, ExtraneousBytesAreAWarning) {
  TestImage noise{40, 40, 3, {}};
  for (int i = 0; i < 4800; ++i) noise.pixels.push_back(static_cast<std::uint8_t>(i * i % 251));
  WriteJpeg(folder_ / "good.jpg", noise);
  const std::string good = ReadAll(folder_ / "good.jpg");
  const Bytes pixels = Decode(folder_ / "good.jpg", {3, 40, 40});
  Bytes out(pixels.size());
  EXPECT_EQ(DecodeImage(folder_ / "good.jpg", {3, 40, 40}, out.data()), "");
  // Before the end marker, between the header's segments, and after the end, which nobody reads.
  const std::string extraneous(61, 'x');
  Write("end.jpg", good.substr(0, good.size() - 2) + extraneous + good.substr(good.size() - 2));
  Write("header.jpg", good.substr(0, 20) + extraneous + good.substr(20));
  Write("after.jpg", good + extraneous);
  for (const char* name : {"end.jpg", "header.jpg", "after.jpg"}) {
    const std::string warning = DecodeImage(folder_ / name, {3, 40, 40}, out.data());
    EXPECT_EQ(out, pixels) << name;
    if (std::string(name) == "after.jpg") {
      EXPECT_EQ(warning, "");
    } else {
      EXPECT_THAT(warning, AllOf(HasSubstr((folder_ / name).string()), HasSubstr("extraneous bytes before marker")))
          << name;
    }
  }
  // With both, it is still truncated.
  const std::string both = good.substr(0, 20) + extraneous + good.substr(20);
  Write("both.jpg", both.substr(0, both.size() / 2));
  EXPECT_THAT(Trouble(folder_ / "both.jpg"), HasSubstr("extraneous bytes"));
}

TEST_F(Decoder, ImageThatWouldFillTheMemoryIsRefused) {
  // The header of a PNG of 100,000 x 100,000 pixels, with a valid checksum.
  std::string header("IHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x02\x00\x00\x00", 17);
  std::uint32_t crc = ~0U;
  for (const char c : header) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
  }
  crc = ~crc;
  std::string bytes("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", 12);
  bytes += header;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(crc >> shift);
  bytes += std::string("\x00\x00\x00\x0aIDAT", 8) + std::string(30, 'x');
  Write("bomb.png", bytes);
  EXPECT_NE(Trouble(folder_ / "bomb.png"), "decoded");
}

class ImageFolder : public TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    settings_.dataset = "image_folder";
    settings_.input = {3, 4, 4};
    // Every image has its own red value, and the green value of its class.
    for (int i = 0; i < 10; ++i) {
      Add("train/cat/" + std::to_string(i) + ".png", i, 10);
      Add("train/dog/" + std::to_string(i) + ".jpeg", 100 + 10 * i, 200);
    }
  }

  void Add(const std::string& name, int red, int green) {
    const TestImage image = Plain(9, 7, {static_cast<std::uint8_t>(red), static_cast<std::uint8_t>(green), 50});
    name.back() == 'g' && name[name.size() - 2] == 'n' ? WritePng(folder_ / name, image)
                                                       : WriteJpeg(folder_ / name, image);
  }

  std::string Trouble() {
    try {
      LoadDataset(settings_, folder_);
    } catch (const MachineError& error) {
      return error.what();
    }
    return "loaded";
  }

  DataSettings settings_;
};

TEST_F(ImageFolder, IsReadAndSplit) {
  Write("train/.hidden", "not an image");
  Write("train/cat/.hidden", "not an image");
  settings_.validation_examples = 6;
  const Dataset dataset = LoadDataset(settings_, folder_);
  EXPECT_EQ(dataset.classes, 2);
  EXPECT_EQ(dataset.train.size(), 14U);
  EXPECT_EQ(dataset.holdout.size(), 6U);
  std::set<int> reds;
  for (const ImageSet* set : {&dataset.train, &dataset.holdout}) {
    EXPECT_TRUE((set->shape == Shape{3, 4, 4}));
    for (std::size_t i = 0; i < set->size(); ++i) {
      const std::uint8_t* pixel = set->pixels.data() + i * set->image_bytes();
      EXPECT_NEAR(pixel[1], set->labels[i] == 0 ? 10 : 200, 5);
      EXPECT_NEAR(pixel[2], 50, 5);
      reds.insert(pixel[0]);
    }
  }
  EXPECT_EQ(reds.size(), 20U);  // No image is in both parts or occurs twice.
}

// A folder of a million files takes minutes to list on a slow disk.
TEST_F(ImageFolder, ListingTicks) {
  int ticks = 0;
  EXPECT_EQ(DatasetFiles(settings_, folder_, [&] { ++ticks; }).size(), 20U);
  // It ticks when it reads a name and when it checks a type.
  EXPECT_GE(ticks, 2 * 20);
  std::vector<std::size_t> images;
  LoadDataset(settings_, folder_, MakeHeapBlock, [&](std::size_t, std::size_t all) { images.push_back(all); });
  EXPECT_GE(std::count(images.begin(), images.end(), 0U), 2 * 20);
}

TEST_F(ImageFolder, AFileMoreOrLessIsNoticed) {
  std::vector<std::string> log;
  DatasetCache cache(folder_, {}, [&log](const std::string& line) { log.push_back(line); });
  const auto images = [&] { return cache.Get(settings_)->layout.images(); };
  EXPECT_EQ(images(), 20U);
  Add("train/cat/more.png", 1, 10);
  EXPECT_EQ(images(), 21U);
  std::filesystem::rename(folder_ / "train/cat/more.png", folder_ / "train/dog/more.png");
  EXPECT_EQ(images(), 21U);
  std::filesystem::remove(folder_ / "train/dog/more.png");
  EXPECT_EQ(images(), 20U);
  EXPECT_THAT(log, AllOf(SizeIs(3), Each(HasSubstr("have changed since it was loaded"))));
}

TEST_F(ImageFolder, WhatFileManagersLeaveBehindIsPassedOver) {
  for (const char* name : {"train/cat/Thumbs.db", "train/dog/desktop.ini", "train/cat/.DS_Store", "train/__MACOSX/x"}) {
    Write(name, "not an image");
  }
  EXPECT_EQ(LoadDataset(settings_, folder_).train.size(), 18U);
  EXPECT_THAT(LoadDataset(settings_, folder_).notes, IsEmpty());
}

TEST_F(ImageFolder, WarningsAreNotes) {
  const std::string good = ReadAll(folder_ / "train/dog/4.jpeg");
  Write("train/dog/4.jpeg", good.substr(0, 20) + std::string(61, 'x') + good.substr(20));
  const Dataset dataset = LoadDataset(settings_, folder_);
  EXPECT_EQ(dataset.train.size(), 18U);
  EXPECT_THAT(dataset.notes, ElementsAre(AllOf(HasSubstr("1 image with a warning"), HasSubstr("dog/4.jpeg"))));
}

TEST_F(ImageFolder, BadFilesAreSkippedByChoice) {
  Write("train/cat/3.png", "broken");
  Write("train/dog/7.jpeg", "");
  Write("train/cat/labels.csv", "a,b");
  EXPECT_THAT(Trouble(), HasSubstr("skip_bad_files"));
  settings_.skip_bad_files = true;
  settings_.validation_examples = 6;
  const Dataset dataset = LoadDataset(settings_, folder_);
  EXPECT_EQ(dataset.train.size() + dataset.holdout.size(), 18U);
  EXPECT_EQ(dataset.train.size(), dataset.train.labels.size());
  std::set<int> reds;
  for (const ImageSet* set : {&dataset.train, &dataset.holdout}) {
    for (std::size_t i = 0; i < set->size(); ++i) {
      const std::uint8_t* pixel = set->pixels.data() + i * set->image_bytes();
      EXPECT_NEAR(pixel[1], set->labels[i] == 0 ? 10 : 200, 5);
      reds.insert(pixel[0]);
    }
  }
  EXPECT_EQ(reds.size(), 18U);
  EXPECT_EQ(reds.count(3), 0U);
  EXPECT_THAT(dataset.notes, ElementsAre(AllOf(HasSubstr("2 images skipped, first: "), HasSubstr("cannot read")),
                                         AllOf(HasSubstr("1 file skipped, first: "), HasSubstr("labels.csv"))));
  EXPECT_EQ(dataset.layout.images(), 18U);
}

// Otherwise statistics of a part without images would divide by zero.
TEST_F(ImageFolder, APartOfBrokenImagesOnlyIsAnError) {
  settings_.skip_bad_files = true;
  settings_.holdout = Holdout::kTest;
  Add("test/cat/1.png", 1, 10);
  Add("test/dog/1.png", 2, 200);
  const auto spoil = [&](const char* part) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / part)) {
      if (entry.is_regular_file()) std::ofstream(entry.path(), std::ios::trunc) << "broken";
    }
  };
  spoil("test");
  EXPECT_EQ(Trouble(), "all 2 images held out are broken; list them with layernas-trainer --check-data");
  spoil("train");
  EXPECT_EQ(Trouble(), "all 20 images drawn for training are broken; list them with layernas-trainer --check-data");
}

TEST_F(ImageFolder, ACheckFindsEveryProblem) {
  Write("train/cat/3.png", "broken");
  Write("train/dog/7.jpeg", "");
  Write("train/cat/labels.csv", "a,b");
  std::filesystem::create_directory(folder_ / "train/ant");
  Add("val/cow/1.png", 1, 1);
  const std::string good = ReadAll(folder_ / "train/dog/4.jpeg");
  Write("train/dog/4.jpeg", good.substr(0, 20) + std::string(61, 'x') + good.substr(20));
  const DataReport report = CheckData(folder_, 2);
  EXPECT_EQ(report.dataset, "image_folder");
  EXPECT_EQ(report.images, 20U);
  EXPECT_EQ(report.classes, 3);
  EXPECT_THAT(report.problems,
              ElementsAre(HasSubstr("train/ant has no images"), HasSubstr("labels.csv is not a .png"),
                          HasSubstr("val/cow is a class"), HasSubstr("cat/3.png"), HasSubstr("dog/7.jpeg")));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("dog/4.jpeg")));
  // A failed training shows the first problem and how to list the others.
  EXPECT_THAT(Trouble(), HasSubstr("(and 1 more problem; list them with layernas-trainer --check-data)"));
  EXPECT_THAT(CheckData(folder_ / "train", 1).problems, ElementsAre(HasSubstr("no data set found in")));
}

TEST_F(ImageFolder, OnlyWhatWasDrawnIsDecoded) {
  settings_.train_examples = 1;
  settings_.validation_examples = 1;
  int damaged = 0;
  // A data set of two of the twenty images seldom contains the broken one.
  for (int i = 0; i < 10; ++i) {
    const std::string name = "train/cat/" + std::to_string(i) + ".png";
    const std::string bytes = ReadAll(folder_ / name);
    Write(name, "broken");
    damaged += Trouble() == "loaded" ? 0 : 1;
    Write(name, bytes);
  }
  EXPECT_LE(damaged, 2);
}

TEST_F(ImageFolder, TestAndValidationFolders) {
  settings_.holdout = Holdout::kTest;
  EXPECT_THAT(Trouble(), AllOf(HasSubstr("directory " + (folder_ / "test").string() + " not found"), HasSubstr("val")));
  Add("val/dog/1.png", 1, 200);
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.size(), 1U);
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.labels[0], 1);
  EXPECT_EQ(LoadDataset(settings_, folder_).train.size(), 20U);
  settings_.holdout = Holdout::kValidation;
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.size(), 2U);  // A tenth, drawn: val is for the test.

  Add("test/cat/1.png", 1, 10);
  Add("test/cat/2.png", 2, 10);
  Add("test/dog/3.png", 3, 200);
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.size(), 1U);
  EXPECT_EQ(LoadDataset(settings_, folder_).train.size(), 20U);
  settings_.holdout = Holdout::kTest;
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.size(), 3U);
}

// The images are sorted by class, so the first ones all have the same class.
TEST_F(ImageFolder, HeldOutFoldersAreDrawnFromByClassOrWhole) {
  for (int i = 0; i < 6; ++i) {
    for (const char* part : {"val", "test"}) {
      Add(part + ("/cat/" + std::to_string(i)) + ".png", i, 10);
      Add(part + ("/dog/" + std::to_string(i)) + ".png", i, 200);
    }
  }
  settings_.validation_examples = 4;
  const auto dogs = [&] {
    const Dataset dataset = LoadDataset(settings_, folder_);
    return std::count(dataset.holdout.labels.begin(), dataset.holdout.labels.end(), 1);
  };
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.size(), 4U);
  EXPECT_EQ(dogs(), 2);
  // The images are drawn.
  const auto reds = [&] {
    const Dataset dataset = LoadDataset(settings_, folder_);
    std::vector<int> values;
    for (std::size_t i = 0; i < 4; ++i) values.push_back(dataset.holdout.pixels[i * dataset.holdout.image_bytes()]);
    return values;
  };
  const std::vector<int> first = reds();
  EXPECT_EQ(reds(), first);
  settings_.data_seed = 2;
  EXPECT_NE(reds(), first);
  settings_.holdout = Holdout::kTest;
  EXPECT_EQ(LoadDataset(settings_, folder_).holdout.size(), 12U);
  EXPECT_EQ(dogs(), 6);
  settings_.with_validation = true;
  EXPECT_EQ(LoadDataset(settings_, folder_).validation.size(), 4U);
  EXPECT_EQ(LoadDataset(settings_, folder_).train.size(), 20U);
}

TEST_F(ImageFolder, GreyNetworksGetGreyImages) {
  settings_.input = {1, 3, 3};
  EXPECT_EQ(LoadDataset(settings_, folder_).train.image_bytes(), 9U);
  settings_.input = {4, 3, 3};
  EXPECT_THROW(LoadDataset(settings_, folder_), InfeasibleError);
}

TEST_F(ImageFolder, WhatIsWrongIsNamed) {
  const auto path = [&](const char* name) { return (folder_ / name).string(); };
  Write("train/cat/3.png", ReadAll(folder_ / "train/cat/3.png").substr(0, 60));
  EXPECT_THAT(Trouble(), HasSubstr("cannot read image " + path("train/cat/3.png")));
  Write("train/cat/3.png", "");
  EXPECT_THAT(Trouble(), HasSubstr(path("train/cat/3.png")));
  // It is the first problem for any number of threads.
  Write("train/dog/1.jpeg", "");
  try {
    LoadDataset(settings_, folder_, MakeHeapBlock, nullptr, 8);
    FAIL();
  } catch (const MachineError& error) {
    EXPECT_THAT(error.what(), HasSubstr(path("train/cat/3.png")));
  }
  Add("train/dog/1.jpeg", 110, 200);
  Add("train/cat/3.png", 3, 10);
  ASSERT_EQ(Trouble(), "loaded");

  Write("train/cat/labels.csv", "a,b");
  EXPECT_THAT(Trouble(), HasSubstr(path("train/cat/labels.csv") + " is not a .png, .jpg or .jpeg file"));
  std::filesystem::remove(folder_ / "train/cat/labels.csv");
  std::filesystem::create_directory(folder_ / "train/ant");
  EXPECT_THAT(Trouble(), AllOf(HasSubstr("the class " + path("train/ant") + " has no images")));
  std::filesystem::remove(folder_ / "train/ant");
  Add("val/cow/1.png", 1, 1);
  settings_.holdout = Holdout::kTest;
  EXPECT_THAT(Trouble(), HasSubstr(path("val/cow") + " is a class without training images"));
  std::filesystem::remove_all(folder_ / "val");
  std::filesystem::create_directory(folder_ / "val");
  EXPECT_THAT(Trouble(), HasSubstr(path("val") + " has no classes"));
  settings_.holdout = Holdout::kValidation;

  std::filesystem::remove_all(folder_ / "train/cat");
  EXPECT_THAT(Trouble(), HasSubstr(path("train") + " has 1 class (dog); expected"));
  std::filesystem::remove_all(folder_ / "train/dog");
  EXPECT_THAT(Trouble(), HasSubstr(path("train") + " has 0 classes"));
  std::filesystem::remove_all(folder_ / "train");
  EXPECT_THAT(Trouble(), AllOf(HasSubstr("directory " + path("train") + " not found"), HasSubstr("--data-dir")));
}

}  // namespace
}  // namespace layernas::trainer
