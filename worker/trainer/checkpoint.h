// States of interrupted trainings on disk, from which equal requests resume.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "worker/trainer/cache_folder.h"

namespace layernas::trainer {

// The saved state of one training. Disk errors are only logged: a training also works without a
// checkpoint.
class Checkpoint {
 public:
  // `key` must contain everything that determines the result of the training. Equal keys share a
  // file in options.folder. All complete states there take at most options.limit_bytes, except if
  // several trainings write at the same moment; states that replace older ones take additional room
  // while they are written.
  Checkpoint(CacheOptions options, std::string key, LogLine log);

  // Returns the last saved state, or nothing if there is none, it is damaged, it has another key, or
  // the folder is not private (see CheckPrivateFolder()).
  std::optional<std::string> Read() const;
  // Replaces the state atomically. Removes the least recently saved states of other trainings if
  // there is no room otherwise, and logs that. Returns false if that failed, if the state is larger
  // than the limit, or if nothing is to be kept.
  bool Write(const std::string& state) const;
  // Deletes the state of a finished training.
  void Remove() const;

 private:
  // Throws MachineError if there is no room for `bytes`.
  void MakeRoomForState(std::uint64_t bytes) const;

  const CacheOptions options_;
  const std::string key_;
  const LogLine log_;
  // The log already says that the state is too large. A training tries again and again.
  mutable bool is_known_as_too_large_ = false;
};

}  // namespace layernas::trainer
