// Decodes PNG and JPEG files to the pixels that a network takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/network/graph.h"

namespace layernas::trainer {

// Decodes the image in `path` to the bytes at `out`: rows, columns, channels of `shape`. It must
// have 1 channel (grey) or 3 (red, green, blue). The format is detected from the first bytes, not
// from the name. The image is resized to the shape with a triangle filter (Pillow's BILINEAR, in
// which every pixel counts when the image shrinks). Transparent parts are black. Returns a warning
// that names the file if the image is complete but the file is unusual, for example because of
// extraneous bytes in a JPEG; otherwise an empty text. Throws MachineError, which names the file,
// if it has another format, is truncated or damaged, or is larger than 256 MiB or 128 million
// pixels.
std::string DecodeImage(const std::filesystem::path& path, const network::Shape& shape, std::uint8_t* out);

}  // namespace layernas::trainer
