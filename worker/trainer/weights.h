// Trained networks as files that can be used without layernas.
#pragma once

#include <filesystem>

#include "worker/trainer/dataset.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/network.h"

namespace layernas::trainer {

// Throws MachineError, which names the path, if the folder cannot be created or written to. Creates
// nothing, so that a trainer that keeps no network leaves no folder behind.
void CheckFolder(const std::filesystem::path& folder);

// Throws MachineError, which names the path, if `file` cannot be written now. Creates its folders
// and leaves nothing else behind. Call this before a training whose network KeepWeights() will
// write.
void CheckWritable(const std::filesystem::path& file);

// Writes the network as TorchScript, in evaluation mode and 32 bits. torch.jit.load("….pt") returns
// a module that converts normalised images (batch x channels x height x width) to logits. Its
// normalize() converts pixels from 0 to 255, like those of the training images, to normalised
// images. The file is replaced atomically, and missing folders are created. Throws MachineError if
// that fails.
KeptWeights KeepWeights(Network& network, const Dataset& dataset, const std::filesystem::path& file);

}  // namespace layernas::trainer
