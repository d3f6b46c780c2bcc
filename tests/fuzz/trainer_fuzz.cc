// Fuzzes requests to the trainer: a request is refused, or its network can be planned and counted.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "common/network/counts.h"
#include "tests/fuzz/fuzz.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {
namespace {

void RunOne(std::string_view line) {
  const auto message = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (message.is_discarded()) return;
  try {
    const EvaluateRequest request = ParseRequest(message);
    FUZZ_CHECK(request.train.epochs >= 1 && request.train.batch >= 1);
    FUZZ_CHECK(request.measure.batch >= 1 && request.measure.warm_up >= 0 && request.measure.runs >= 1);
    FUZZ_CHECK(!request.network.ops.empty() && request.network.ops.back().output.channels >= 1);
    const network::Counts counts = network::CountNetwork(request.network);
    FUZZ_CHECK(counts.params > 0 && counts.multiply_adds > 0);
  } catch (const InfeasibleError& error) {
    FUZZ_CHECK(*error.what() != '\0');
  }
}

}  // namespace
}  // namespace layernas::trainer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layernas::trainer::RunOne(layernas::fuzz::View(data, size));
  return 0;
}
