// States of trainings that were interrupted, on disk, so that an equal request goes on from there.
#pragma once

#include <optional>
#include <string>

#include "worker/trainer/cache_folder.h"

namespace layernas::trainer {

// The state of one training. Trouble with the disk is for the log: a training does well without.
class Checkpoint {
 public:
  // `key` says all that determines the result of the training; equal keys share a file in options.folder, which is
  // bounded by options.limit_bytes.
  Checkpoint(CacheOptions options, std::string key, LogLine log);

  // The state that was kept last. Nothing where there is none, or what there is is damaged or of another key.
  std::optional<std::string> Read() const;
  // Replaces the state at once or not at all; false where that failed, or nothing is to be kept.
  bool Write(const std::string& state) const;
  // The training is finished.
  void Remove() const;

 private:
  const CacheOptions options_;
  const std::string key_;
  const LogLine log_;
};

}  // namespace layernas::trainer
