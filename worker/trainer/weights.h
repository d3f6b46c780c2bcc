// Trained networks as files that can be used without layernas.
#pragma once

#include <filesystem>
#include <memory>

#include "worker/trainer/dataset.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/network.h"
#include "worker/trainer/unfinished_file.h"

namespace layernas::trainer {

// Throws MachineError, which names the path, if the folder cannot be created or written to, or if a
// result could not carry its path. Creates nothing, so that a trainer that keeps no network leaves
// no folder behind.
void CheckFolder(const std::filesystem::path& folder);

// Throws MachineError, which names the path, if `file` cannot be written now, or if a result could
// not carry its path. Creates its folders and leaves nothing else behind. Call this before a
// training whose network a WeightsFile will hold.
void CheckWritable(const std::filesystem::path& file);

// A trained network in a file, which is removed unless Keep() is called. The file is TorchScript,
// in evaluation mode and 32 bits. torch.jit.load("….pt") returns a module that converts normalised
// images (batch x channels x height x width) to logits. Its normalize() converts pixels from 0 to
// 255, like those of the training images, to normalised images.
class WeightsFile {
 public:
  // Writes the network under a temporary name next to `file`. Creates missing folders. Throws
  // MachineError if that fails.
  WeightsFile(Network& network, const Dataset& dataset, const std::filesystem::path& file);

  // Replaces `file` atomically. When this returns, the network is on disk. Throws MachineError if
  // that fails. Call it at most once.
  KeptWeights Keep();

 private:
  std::unique_ptr<UnfinishedFile> file_;
  KeptWeights kept_;
};

}  // namespace layernas::trainer
