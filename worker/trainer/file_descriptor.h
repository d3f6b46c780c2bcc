// An owner of a file descriptor.
#pragma once

#include <unistd.h>

namespace layernas::trainer {

// Closes the descriptor at the end. A negative one means that opening failed.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace layernas::trainer
