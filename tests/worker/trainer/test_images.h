// Writes image files with the libraries that will read them.
#pragma once

#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace layernas::trainer {

struct TestImage {
  int width = 0;
  int height = 0;
  // 1: grey, 3: RGB, 4: RGB with alpha.
  int channels = 3;
  std::vector<std::uint8_t> pixels;
};

inline TestImage Plain(int width, int height, const std::vector<std::uint8_t>& colour) {
  TestImage image{width, height, static_cast<int>(colour.size()), {}};
  for (int i = 0; i < width * height; ++i) image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  return image;
}

inline void WritePng(const std::filesystem::path& path, const TestImage& image) {
  std::filesystem::create_directories(path.parent_path());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  ASSERT_NE(png_image_write_to_file(&png, path.c_str(), 0, image.pixels.data(), 0, nullptr), 0) << png.message;
}

// `format` is TurboJPEG's: TJPF_RGB, TJPF_GRAY or TJPF_CMYK.
inline void WriteJpeg(const std::filesystem::path& path, const TestImage& image, int format = TJPF_RGB) {
  std::filesystem::create_directories(path.parent_path());
  tjhandle encoder = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int sampling = format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444;
  ASSERT_EQ(
      tjCompress2(encoder, image.pixels.data(), image.width, 0, image.height, format, &bytes, &size, sampling, 95, 0),
      0)
      << tjGetErrorStr2(encoder);
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  tjFree(bytes);
  tjDestroy(encoder);
}

}  // namespace layernas::trainer
