// A file that gets its name only when it is complete and on disk.
#pragma once

#include <filesystem>
#include <string>

#include "worker/trainer/file_descriptor.h"

namespace layernas::trainer {

// A file under a temporary name, which is removed unless Finish() is called. Several processes may
// write the same file. The temporary file is locked, so that one that was left behind can be
// recognised.
class UnfinishedFile {
 public:
  // Creates missing folders, removes the temporary files with the same extension that killed
  // processes have left behind in the folder, and writes the bytes. Throws MachineError, which names
  // the path, if that fails.
  UnfinishedFile(std::filesystem::path file, const std::string& bytes);
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  // Gives the file its name, atomically and in place of an older one. Then the content and the name
  // survive a power cut. Throws MachineError, which names the path, if that fails. Call it at most
  // once.
  void Finish();

 private:
  void Write(const std::string& bytes) const;

  const std::filesystem::path file_;
  const std::filesystem::path unfinished_;
  const FileDescriptor descriptor_;
  bool is_finished_ = false;
};

}  // namespace layernas::trainer
