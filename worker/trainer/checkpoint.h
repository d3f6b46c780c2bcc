// States of interrupted trainings on disk, from which equal requests resume.
#pragma once

#include <optional>
#include <string>

#include "worker/trainer/cache_folder.h"

namespace layernas::trainer {

// The saved state of one training. Disk errors are only logged: a training also works without a
// checkpoint.
class Checkpoint {
 public:
  // `key` must contain everything that determines the result of the training. Equal keys share a
  // file in options.folder, whose size is bounded by options.limit_bytes.
  Checkpoint(CacheOptions options, std::string key, LogLine log);

  // Returns the last saved state, or nothing if there is none, it is damaged, or it has another
  // key.
  std::optional<std::string> Read() const;
  // Replaces the state atomically. Returns false if that failed, or if nothing is to be kept.
  bool Write(const std::string& state) const;
  // Deletes the state of a finished training.
  void Remove() const;

 private:
  const CacheOptions options_;
  const std::string key_;
  const LogLine log_;
};

}  // namespace layernas::trainer
