// Trained networks as files that need nothing of ours to run.
#pragma once

#include <filesystem>

#include "worker/trainer/dataset.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/network.h"

namespace layernas::trainer {

// Throws MachineError, naming the path, if no file could be written to the folder or the folder could not be made.
// Makes nothing itself, so that a trainer that keeps nothing leaves no folder behind.
void CheckFolder(const std::filesystem::path& folder);

// Throws MachineError, naming the path, if `file` could not be written now. Its folders are made, and nothing else is
// left behind. To be called before a training whose network KeepWeights will write.
void CheckWritable(const std::filesystem::path& file);

// Writes the network, in evaluation mode and 32 bits, as TorchScript: torch.jit.load("….pt") gives a module that takes
// normalised images (batch x channels x height x width) to logits, and whose normalize() makes such of pixels from 0 to
// 255, as the training images were. The file appears whole or not at all, in place of an older one; folders are made.
// Throws MachineError where that fails.
KeptWeights KeepWeights(Network& network, const Dataset& dataset, const std::filesystem::path& file);

}  // namespace layernas::trainer
