// Data sets that are a folder of images per class.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "worker/trainer/image_source.h"
#include "worker/trainer/request.h"
#include "worker/trainer/tick.h"

namespace layernas::trainer {

// Reads folder/train/CLASS/IMAGE. Images are PNG or JPEG and are decoded to `settings.input` when
// they are read. Classes are numbered in the order of their folders' names (as bytes). The held-out
// images are:
//  * Test images, with Holdout::kTest: test/CLASS/IMAGE or, without a test folder,
//    val/CLASS/IMAGE, as in ImageNet.
//  * Validation images, if the settings ask for them: val/CLASS/IMAGE if there is a test folder
//    too; otherwise none.
// Skips names that start with a dot and files that file managers create (Thumbs.db, desktop.ini,
// __MACOSX). Throws InfeasibleError if the shape is neither grey nor RGB. Throws MachineError,
// which names the folder or file, for missing folders, a class without images, fewer than two
// classes, and a class that is held out but not trained. Without DataSettings::skip_bad_files, it
// is also thrown for any file that is not a .png, .jpg or .jpeg file. If there are several
// problems, the message contains the first. Calls `tick` for each entry of a folder.
ImageFiles ReadImageFolder(const std::filesystem::path& folder, const DataSettings& settings,
                           const Tick& tick = nullptr);

// Returns the files that ReadImageFolder() takes the images from. Throws as that function does.
std::vector<std::filesystem::path> ListImageFolder(const std::filesystem::path& folder, const DataSettings& settings,
                                                   const Tick& tick = nullptr);

struct FolderContent {
  // The training, validation and test images.
  std::vector<std::filesystem::path> files;
  int classes = 0;
  // All problems that ReadImageFolder() would throw, for every file.
  std::vector<std::string> problems;
};
FolderContent ListWholeImageFolder(const std::filesystem::path& folder);

}  // namespace layernas::trainer
