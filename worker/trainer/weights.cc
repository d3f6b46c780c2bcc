#include "worker/trainer/weights.h"

#include <openssl/evp.h>
#include <torch/script.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>
#include <vector>

#include "common/base/utf8.h"
#include "common/base/wire_name.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using network::Activation;
using network::Op;
using network::OpKind;

// Writes the graph as TorchScript source, because libtorch cannot trace or script modules but can
// compile source.
class ScriptWriter {
 public:
  ScriptWriter(const network::Graph& graph, torch::jit::Module& module) : graph_(graph), module_(module) {}

  // Returns the source of forward(), and registers what it needs with the module.
  std::string Forward(Network& network) {
    std::string source = "def forward(self, images):\n    v0 = images\n";
    for (const auto& item : network->named_parameters()) {
      module_.register_parameter(Name(item.key()), Copy(item.value()), /*is_buffer=*/false);
    }
    for (const auto& item : network->named_buffers()) module_.register_buffer(Name(item.key()), Copy(item.value()));
    for (std::size_t i = 0; i < graph_.ops.size(); ++i) {
      source += "    v" + std::to_string(i + 1) + " = " + Expression(i) + "\n";
    }
    return source + "    return v" + std::to_string(graph_.ops.size()) + "\n";
  }

 private:
  static std::string Name(std::string name) {
    for (char& c : name) c = c == '.' ? '_' : c;
    return name;
  }

  // A copy, because the parameter may be a view of a larger tensor that would be written as a
  // whole.
  static torch::Tensor Copy(const torch::Tensor& tensor) {
    return tensor.detach().to(torch::kCPU).contiguous().clone();
  }

  std::string Expression(std::size_t index) const {
    const Op& op = graph_.ops[index];
    const std::string number = std::to_string(index), first = "v" + std::to_string(op.first),
                      second = "v" + std::to_string(op.second);
    const auto of = [&](const char* kind, const char* what) {
      return "self." + std::string(kind) + number + "_" + what;
    };
    const auto pair = [](int value) { return "[" + std::to_string(value) + ", " + std::to_string(value) + "]"; };
    switch (op.kind) {
      case OpKind::kConv:
        return "torch.conv2d(" + first + ", " + of("conv", "weight") + ", " +
               (op.bias ? of("conv", "bias") : std::string("None")) + ", " + pair(op.stride) + ", " +
               pair(op.kernel / 2) + ", [1, 1], " + std::to_string(op.groups) + ")";
      case OpKind::kNorm:
        return "torch.batch_norm(" + first + ", " + of("norm", "weight") + ", " + of("norm", "bias") + ", " +
               of("norm", "running_mean") + ", " + of("norm", "running_var") + ", False, 0.1, 1e-05, False)";
      case OpKind::kLinear:
        return "torch.linear(torch.flatten(" + first + ", 1), " + of("linear", "weight") + ", " + of("linear", "bias") +
               ")";
      case OpKind::kActivation:
        return Activated(op.activation, first);
      case OpKind::kAveragePool:
        return "torch.avg_pool2d(" + first + ", " + pair(op.kernel) + ", " + pair(op.stride) + ", " +
               pair(AveragePoolPadding(op)) + ", True, False)";
      case OpKind::kGlobalPool:
        return "torch.mean(" + first + ", [2, 3], True)";
      case OpKind::kAdd:
        return first + " + " + second;
      case OpKind::kScale:
        return first + " * " + second;
      case OpKind::kZero:
        return "torch.zeros([" + first + ".size(0), " + std::to_string(op.output.channels) + ", " +
               std::to_string(op.output.height) + ", " + std::to_string(op.output.width) + "], dtype=" + first +
               ".dtype, device=" + first + ".device)";
    }
    return first;
  }

  static std::string Activated(Activation activation, const std::string& value) {
    switch (activation) {
      case Activation::kNone:
        break;
      case Activation::kRelu:
        return "torch.relu(" + value + ")";
      case Activation::kRelu6:
        return "torch.hardtanh(" + value + ", 0.0, 6.0)";
      case Activation::kHardSwish:
        return "torch.hardswish(" + value + ")";
      case Activation::kHardSigmoid:
        return "torch.hardsigmoid(" + value + ")";
    }
    return value;
  }

  const network::Graph& graph_;
  torch::jit::Module& module_;
};

std::string Sha256(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    throw MachineError("OpenSSL cannot compute SHA-256");
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += {kDigits[digest[i] >> 4], kDigits[digest[i] & 15]};
  }
  return hex;
}

[[noreturn]] void CannotKeep(const std::string& why) { throw MachineError("cannot keep the weights: " + why); }

[[noreturn]] void CannotKeep(const fs::path& path, const std::string& why) {
  CannotKeep("cannot write " + path.string() + ": " + why);
}

std::unique_ptr<UnfinishedFile> Written(const fs::path& file, const std::string& bytes) {
  try {
    return std::make_unique<UnfinishedFile>(file, bytes);
  } catch (const MachineError& error) {
    CannotKeep(error.what());
  }
}

std::string Absolute(const fs::path& path) {
  std::error_code error;
  return fs::absolute(path, error).lexically_normal().string();
}

// Results carry the path.
void CheckPath(const fs::path& path) {
  const std::string why = WhyNoText(Absolute(path));
  if (!why.empty()) CannotKeep(Printable(path.string(), Unprintable::kEscape), "its path " + why);
}

}  // namespace

void CheckFolder(const fs::path& folder) {
  CheckPath(folder);
  std::error_code error;
  fs::path there = fs::absolute(folder, error).lexically_normal();
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  if (!fs::is_directory(there, error)) CannotKeep(folder, there.string() + " is not a directory");
  if (access(there.c_str(), W_OK | X_OK) != 0) CannotKeep(folder, there.string() + ": " + std::strerror(errno));
}

void CheckWritable(const fs::path& file) {
  CheckPath(file);
  std::error_code error;
  // A file of that name will be replaced, but a folder cannot be.
  if (fs::is_directory(file, error)) CannotKeep(file, std::strerror(EISDIR));
  Written(file, "x");
}

WeightsFile::WeightsFile(Network& network, const Dataset& dataset, const fs::path& file) {
  const torch::NoGradGuard no_grad;
  torch::jit::Module module("LayernasNetwork");
  const auto per_channel = [](const std::vector<float>& values) {
    return torch::tensor(values).reshape({1, static_cast<std::int64_t>(values.size()), 1, 1});
  };
  module.register_buffer("mean", per_channel(dataset.mean));
  module.register_buffer("deviation", per_channel(dataset.deviation));
  module.define("def normalize(self, pixels):\n    return (pixels - self.mean) / self.deviation\n");
  module.define(ScriptWriter(network->graph(), module).Forward(network));
  module.eval();
  std::ostringstream out;
  module.save(out);
  const std::string bytes = out.str();
  file_ = Written(file, bytes);
  kept_ = {Absolute(file), Sha256(bytes), bytes.size()};
}

KeptWeights WeightsFile::Keep() {
  try {
    file_->Finish();
  } catch (const MachineError& error) {
    CannotKeep(error.what());
  }
  return kept_;
}

}  // namespace layernas::trainer
