// Images that lie in folders by class.
#pragma once

#include <filesystem>
#include <vector>

#include "worker/trainer/image_source.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

// Reads folder/train/CLASS/IMAGE, PNG and JPEG, decoded to `shape` when they are read; classes are numbered in the
// order of their folders' names (as bytes). The holdout:
//  * Holdout::kTest: test/CLASS/IMAGE or, where there is no test folder, val/CLASS/IMAGE, as in ImageNet.
//  * Holdout::kValidation: val/CLASS/IMAGE where there is a test folder too; else none.
// What starts with a dot is left out. Throws InfeasibleError for a shape that is neither grey nor RGB; MachineError,
// naming folder or file, for folders that are missing, a class without images, fewer than two classes, a class that is
// held out but not trained, and anything that is no .png, .jpg or .jpeg file.
ImageFiles ReadImageFolder(const std::filesystem::path& folder, Holdout holdout, const Shape& shape);

// The files that ReadImageFolder takes the images from; throws as that does.
std::vector<std::filesystem::path> ListImageFolder(const std::filesystem::path& folder, Holdout holdout);

}  // namespace layernas::trainer
