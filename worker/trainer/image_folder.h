// Images that lie in folders by class.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "worker/trainer/image_source.h"
#include "worker/trainer/request.h"
#include "worker/trainer/tick.h"

namespace layernas::trainer {

// Reads folder/train/CLASS/IMAGE, PNG and JPEG, decoded to `settings.input` when they are read; classes are numbered in
// the order of their folders' names (as bytes). What is held out:
//  * Test images, with Holdout::kTest: test/CLASS/IMAGE or, without a test folder, val/CLASS/IMAGE, as in ImageNet.
//  * Validation images, if the settings ask for them: val/CLASS/IMAGE if there is a test folder too; else none.
// Names that start with a dot and what file managers leave behind (Thumbs.db, desktop.ini, __MACOSX) are left out.
// Throws InfeasibleError for a shape that is neither grey nor RGB; MachineError, naming folder or file, for folders
// that are missing, a class without images, fewer than two classes, a class that is held out but not trained, and,
// without DataSettings::skip_bad_files, anything that is no .png, .jpg or .jpeg file. Of several problems the first is
// in the message. Calls `tick` for each entry of a folder.
ImageFiles ReadImageFolder(const std::filesystem::path& folder, const DataSettings& settings,
                           const Tick& tick = nullptr);

// The files that ReadImageFolder takes the images from; throws as that does.
std::vector<std::filesystem::path> ListImageFolder(const std::filesystem::path& folder, const DataSettings& settings,
                                                   const Tick& tick = nullptr);

struct FolderContent {
  // Of all parts: training, validation and test images.
  std::vector<std::filesystem::path> files;
  int classes = 0;
  // Everything that ReadImageFolder would throw, and for every file.
  std::vector<std::string> problems;
};
FolderContent ListWholeImageFolder(const std::filesystem::path& folder);

}  // namespace layernas::trainer
