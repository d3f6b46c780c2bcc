#include "worker/trainer/image_decoder.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

constexpr std::uintmax_t kMaxImageBytes = 256 << 20;
constexpr std::int64_t kMaxPixels = 128'000'000;

// An image in the size of its file.
struct Picture {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;

  void Resize(int new_width, int new_height) {
    width = new_width;
    height = new_height;
    if (std::int64_t{width} * height > kMaxPixels) {
      throw MachineError("it has " + std::to_string(width) + "x" + std::to_string(height) + " pixels, more than " +
                         std::to_string(kMaxPixels));
    }
    pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                  static_cast<std::size_t>(channels));
  }
};

std::vector<std::uint8_t> ReadBytes(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw MachineError(error.message());
  if (size > kMaxImageBytes) throw MachineError("it has " + std::to_string(size) + " bytes");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file) throw MachineError("it cannot be read");
  return bytes;
}

Picture DecodePng(const std::vector<std::uint8_t>& bytes, int channels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, decltype(&png_image_free)> free_image(&image, &png_image_free);
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) throw MachineError(image.message);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  Picture picture;
  picture.channels = channels;
  picture.Resize(static_cast<int>(std::min<png_uint_32>(image.width, INT32_MAX)),
                 static_cast<int>(std::min<png_uint_32>(image.height, INT32_MAX)));
  const png_color black{};
  if (png_image_finish_read(&image, &black, picture.pixels.data(), 0, nullptr) == 0) throw MachineError(image.message);
  return picture;
}

// Converts CMYK as Photoshop writes it, with every value inverted.
std::vector<std::uint8_t> FromCmyk(const std::vector<std::uint8_t>& cmyk, int channels) {
  std::vector<std::uint8_t> pixels;
  pixels.reserve(cmyk.size() / 4 * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i + 3 < cmyk.size(); i += 4) {
    std::uint8_t colour[3];
    for (std::size_t c = 0; c < 3; ++c) colour[c] = static_cast<std::uint8_t>((cmyk[i + c] * cmyk[i + 3] + 127) / 255);
    if (channels == 3) {
      pixels.insert(pixels.end(), colour, colour + 3);
    } else {
      pixels.push_back(
          static_cast<std::uint8_t>(std::lround(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])));
    }
  }
  return pixels;
}

// Returns true if the end marker comes after the beginning of the last scan. Within image data,
// such bytes are escaped.
bool HasJpegEnd(const std::vector<std::uint8_t>& bytes) {
  const auto last = [&](std::uint8_t marker) {
    const std::uint8_t pattern[] = {0xff, marker};
    return std::find_end(bytes.begin(), bytes.end(), std::begin(pattern), std::end(pattern)) - bytes.begin();
  };
  const auto end = last(0xd9);
  return end < static_cast<std::ptrdiff_t>(bytes.size()) && end > last(0xda);
}

// The library keeps only the first warning of a file, and warns of all problems that it can work
// around. That includes bytes between two parts of a file, which leave the image complete, and
// files that are truncated.
bool IsHarmless(const std::string& warning, const std::vector<std::uint8_t>& bytes) {
  for (const char* harmless : {"extraneous bytes", "unknown JFIF revision", "Unknown Adobe color transform"}) {
    if (warning.find(harmless) != std::string::npos) return HasJpegEnd(bytes);
  }
  return false;
}

Picture DecodeJpeg(const std::vector<std::uint8_t>& bytes, const network::Shape& shape, std::string& warning) {
  const std::unique_ptr<void, decltype(&tjDestroy)> decoder(tjInitDecompress(), &tjDestroy);
  if (decoder == nullptr) throw MachineError(tjGetErrorStr2(nullptr));
  const auto size = static_cast<unsigned long>(bytes.size());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  // Both steps may warn although the image is complete.
  const auto check = [&](int result) {
    if (result == 0) return;
    const std::string message = tjGetErrorStr2(decoder.get());
    if (tjGetErrorCode(decoder.get()) != TJERR_WARNING || !IsHarmless(message, bytes)) throw MachineError(message);
    warning = message;
  };
  check(tjDecompressHeader3(decoder.get(), bytes.data(), size, &width, &height, &subsampling, &colours));
  // Halve the size during decoding, as long as the image stays larger than needed. That is much
  // faster.
  int denominator = 1;
  while (denominator < 8 && width / (2 * denominator) >= shape.width && height / (2 * denominator) >= shape.height) {
    denominator *= 2;
  }
  const tjscalingfactor scale = {1, denominator};
  const bool cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
  Picture picture;
  picture.channels = cmyk ? 4 : shape.channels;
  picture.Resize(TJSCALED(width, scale), TJSCALED(height, scale));
  const int format = cmyk ? TJPF_CMYK : shape.channels == 1 ? TJPF_GRAY : TJPF_RGB;
  check(tjDecompress2(decoder.get(), bytes.data(), size, picture.pixels.data(), picture.width, 0, picture.height,
                      format, TJFLAG_LIMITSCANS));
  if (cmyk) {
    picture.channels = shape.channels;
    picture.pixels = FromCmyk(picture.pixels, shape.channels);
  }
  return picture;
}

// The values along one axis that are mixed into a new one, with their weights.
struct Mixture {
  int first = 0;
  std::vector<float> weights;
};

std::vector<Mixture> Mixtures(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double reach = std::max(scale, 1.0);
  std::vector<Mixture> mixtures(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    Mixture& mixture = mixtures[static_cast<std::size_t>(i)];
    mixture.first = std::max(0, static_cast<int>(center - reach + 0.5));
    const int end = std::min(from, static_cast<int>(center + reach + 0.5));
    double sum = 0;
    std::vector<double> weights;
    for (int j = mixture.first; j < end; ++j) {
      weights.push_back(std::max(0.0, 1 - std::abs(j + 0.5 - center) / reach));
      sum += weights.back();
    }
    for (const double weight : weights) mixture.weights.push_back(static_cast<float>(weight / sum));
  }
  return mixtures;
}

void Stretch(const Picture& picture, const network::Shape& shape, std::uint8_t* out) {
  if (picture.width == shape.width && picture.height == shape.height) {
    std::memcpy(out, picture.pixels.data(), picture.pixels.size());
    return;
  }
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t row_values = static_cast<std::size_t>(shape.width) * channels;
  const std::vector<Mixture> columns = Mixtures(picture.width, shape.width);
  std::vector<float> rows(static_cast<std::size_t>(picture.height) * row_values);
  for (std::size_t y = 0; y < static_cast<std::size_t>(picture.height); ++y) {
    const std::uint8_t* from = picture.pixels.data() + y * static_cast<std::size_t>(picture.width) * channels;
    float* to = rows.data() + y * row_values;
    for (const Mixture& column : columns) {
      for (std::size_t c = 0; c < channels; ++c) {
        float value = 0;
        const std::uint8_t* pixel = from + static_cast<std::size_t>(column.first) * channels + c;
        for (const float weight : column.weights) {
          value += weight * *pixel;
          pixel += channels;
        }
        *to++ = value;
      }
    }
  }
  for (const Mixture& row : Mixtures(picture.height, shape.height)) {
    for (std::size_t i = 0; i < row_values; ++i) {
      float value = 0;
      const float* from = rows.data() + static_cast<std::size_t>(row.first) * row_values + i;
      for (const float weight : row.weights) {
        value += weight * *from;
        from += row_values;
      }
      *out++ = static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
    }
  }
}

bool StartsWith(const std::vector<std::uint8_t>& bytes, const char* magic) {
  return bytes.size() >= std::strlen(magic) && std::memcmp(bytes.data(), magic, std::strlen(magic)) == 0;
}

}  // namespace

std::string DecodeImage(const std::filesystem::path& path, const network::Shape& shape, std::uint8_t* out) {
  std::string warning;
  try {
    const std::vector<std::uint8_t> bytes = ReadBytes(path);
    if (StartsWith(bytes, "\x89PNG")) {
      Stretch(DecodePng(bytes, shape.channels), shape, out);
    } else if (StartsWith(bytes, "\xff\xd8")) {
      Stretch(DecodeJpeg(bytes, shape, warning), shape, out);
    } else {
      throw MachineError("it is neither PNG nor JPEG");
    }
  } catch (const MachineError& error) {
    throw MachineError("cannot read image " + path.string() + ": " + error.what());
  }
  return warning.empty() ? warning : path.string() + ": " + warning;
}

}  // namespace layernas::trainer
