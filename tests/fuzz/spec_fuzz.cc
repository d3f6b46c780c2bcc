// Fuzzes spec files: for any text, every mistake has a position in it, or the spec can be searched.
#include <algorithm>
#include <deque>
#include <string>

#include "client/spec/spec_reader.h"
#include "common/base/random.h"
#include "common/spec/resolve.h"
#include "controller/core/search.h"
#include "controller/spec/core_config.h"
#include "tests/fuzz/fuzz.h"

namespace layernas {
namespace {

// Larger searches are not started, because a target must end within milliseconds.
constexpr std::size_t kMaxOptions = 500;
constexpr int kMaxLeases = 12;

bool IsSmall(const core::SearchConfig& config) {
  std::size_t options = 0;
  for (const core::Layer& layer : config.space.layers) options += layer.option_count;
  if (const auto* layernas = std::get_if<core::LayerNasOptions>(&config.strategy)) {
    options += static_cast<std::size_t>(layernas->buckets.count) + layernas->buckets.edges.size();
  }
  return options <= kMaxOptions;
}

core::Metrics Evaluate(const core::SearchConfig& config, const core::Architecture& architecture) {
  RandomStream random({core::Fingerprint(architecture)});
  core::Metrics metrics;
  metrics.Set(config.reward_metric, random.Uniform());
  metrics.Set(config.cost_metric, random.Uniform() * 100);
  return metrics;
}

void Lease(core::Search& search, const v1::Space& space) {
  for (int i = 0; i < kMaxLeases; ++i) {
    if (const auto work = search.StartWork(1)) {
      work->Run();
      search.FinishWork(*work, 0);
    }
    const core::Candidate* candidate = search.Lease("w", "r", {});
    if (candidate == nullptr) break;
    const std::string id = spec::FormatArchitectureId(space, candidate->architecture);
    FUZZ_CHECK(spec::ParseArchitectureId(space, id) == candidate->architecture);
    // Some results are still missing when the controller restarts.
    if (i % 4 == 3) continue;
    const core::Metrics metrics = Evaluate(search.config(), candidate->architecture);
    const auto verdict = search.Complete(candidate->number, candidate->attempt, "w", metrics, {});
    FUZZ_CHECK(verdict.status == core::CompletionVerdict::kAccepted);
  }
  if (search.config().trainings > 0) {
    FUZZ_CHECK(search.candidates().size() <= static_cast<std::size_t>(search.config().trainings));
  }
}

void Begin(core::SearchConfig config, const v1::Space& space) {
  core::Search search(config, 0);
  Lease(search, space);
  core::Search again(config, search.status(), search.candidates());
  FUZZ_CHECK(std::equal(again.final_tables().begin(), again.final_tables().end(), search.final_tables().begin(),
                        search.final_tables().end()));
  Lease(again, space);
}

void RunOne(std::string_view text) {
  const client::SpecFile file = client::ReadSpecText("spec.yaml", text);
  const auto lines = std::count(text.begin(), text.end(), '\n') + 2;
  for (const client::Mistake& mistake : file.mistakes) {
    FUZZ_CHECK(mistake.position.line >= 0 && mistake.position.line <= lines);
    FUZZ_CHECK(!mistake.message.empty());
    FUZZ_CHECK(!client::FormatMistake(file.name, mistake).empty());
  }
  if (!file.ok()) return;
  const v1::SearchSpec spec = spec::WithDefaults(file.spec);
  FUZZ_CHECK(spec::WithDefaults(spec).SerializeAsString().size() == spec.SerializeAsString().size());
  FUZZ_CHECK(spec::ValidateSpec(spec).empty());
  FUZZ_CHECK(spec::Summarize(file.spec).layers() == spec.space().layers_size());
  absl::StatusOr<core::SearchConfig> config = ToCoreConfig(file.spec.SerializeAsString());
  FUZZ_CHECK(config.ok());
  if (IsSmall(*config)) Begin(*std::move(config), spec.space());
}

}  // namespace
}  // namespace layernas

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layernas::RunOne(layernas::fuzz::View(data, size));
  return 0;
}
