// From a PNG or JPEG file to the pixels that a network takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/network/graph.h"

namespace layernas::trainer {

// Writes the image in `path` to the bytes at `out`: rows, columns, channels, of `shape`, whose channels are 1 (grey) or
// 3 (red, green, blue). What the file holds is told by its first bytes, not by its name. It is stretched to the size of
// the shape with a triangle filter (what Pillow calls BILINEAR: every pixel counts when it gets smaller); transparent
// parts are black. Returns a warning that names the file if the image is complete though something about the file is
// odd, such as extraneous bytes in a JPEG; else an empty text. Throws MachineError, naming the file, if it is neither
// format, is cut short or damaged in any way, or is larger than 256 MiB or 128 million pixels.
std::string DecodeImage(const std::filesystem::path& path, const network::Shape& shape, std::uint8_t* out);

}  // namespace layernas::trainer
