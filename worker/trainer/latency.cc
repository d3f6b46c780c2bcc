#include "worker/trainer/latency.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <vector>

#include "worker/trainer/errors.h"
#include "worker/trainer/statistics.h"

namespace layernas::trainer {
namespace {

// In shorter turns, the change of turns would influence the measurement.
constexpr double kShortestTurnMs = 2;
constexpr int kFewestRounds = 20;
constexpr double kDefaultInterval = 0.02;
constexpr int kMaxWarmUpTurns = 50;

struct Times {
  std::vector<double> wall;
  std::vector<double> cpu;

  void Add(const RunTime& time) {
    wall.push_back(time.wall_ms);
    cpu.push_back(time.cpu_ms);
  }
  void Append(const Times& other) {
    wall.insert(wall.end(), other.wall.begin(), other.wall.end());
    cpu.insert(cpu.end(), other.cpu.begin(), other.cpu.end());
  }
};

double Sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

// A network that runs in turns, with as many runs as fill a turn once it is warm.
class Contestant {
 public:
  explicit Contestant(const TimedRun& run) : run_(run) {}

  // Runs until two successive turns differ by less than a twentieth, or a maximum is reached.
  void WarmUp(int fewest_runs) {
    int runs = 0;
    double before = 0;
    for (int turn = 0; turn < kMaxWarmUpTurns || runs < fewest_runs; ++turn) {
      Times times;
      do times.Add(run_());
      while (Sum(times.wall) < kShortestTurnMs);
      runs += static_cast<int>(times.wall.size());
      const double now = Median(times.wall);
      runs_per_turn_ = std::max(1, static_cast<int>(std::ceil(kShortestTurnMs / now)));
      if (runs >= fewest_runs && std::abs(now - before) < 0.05 * now) return;
      before = now;
    }
  }

  Times Turn() const {
    Times times;
    for (int i = 0; i < runs_per_turn_; ++i) times.Add(run_());
    return times;
  }

  int runs_per_turn() const { return runs_per_turn_; }

 private:
  const TimedRun& run_;
  int runs_per_turn_ = 1;
};

// Returns the time of one run in a turn. Other processes lengthen a few wall-clock times, which the
// median ignores. Processor time does not include them, and its mean is more precise: turns have
// few runs, and not always the same number.
double OfOneRun(const Times& turn, bool by_cpu_time) {
  return by_cpu_time ? Sum(turn.cpu) / static_cast<double>(turn.cpu.size()) : Median(turn.wall);
}

// A turn within one tick of the clock takes no time.
bool AreFinite(const std::vector<double>& ratios) {
  return std::all_of(ratios.begin(), ratios.end(), [](double ratio) { return std::isfinite(ratio); });
}

double HalfWidth(const std::vector<double>& ratios) {
  const Interval interval = MedianInterval(ratios);
  return (interval.high - interval.low) / 2 / Median(ratios);
}

}  // namespace

Latency MeasureInTurns(const TimedRun& network, const TimedRun& reference, const MeasureSettings& settings,
                       bool by_cpu_time) {
  Contestant ours(network);
  Contestant fixed(reference);
  ours.WarmUp(settings.warm_up);
  fixed.WarmUp(settings.warm_up);

  const double wanted = settings.ratio_interval.value_or(kDefaultInterval);
  Times times, reference_times;
  std::vector<double> ratios;
  Latency latency;
  const auto runs = [&] { return static_cast<int>(times.wall.size()); };
  while (true) {
    // Alternate the order, so that a machine that becomes slower or faster favours neither.
    const bool ours_first = ratios.size() % 2 == 0;
    const Times first = ours_first ? ours.Turn() : fixed.Turn();
    const Times second = ours_first ? fixed.Turn() : ours.Turn();
    const Times& mine = ours_first ? first : second;
    const Times& other = ours_first ? second : first;
    ratios.push_back(OfOneRun(mine, by_cpu_time) / OfOneRun(other, by_cpu_time));
    times.Append(mine);
    reference_times.Append(other);
    if (static_cast<int>(ratios.size()) < kFewestRounds || runs() < settings.runs) continue;
    if (!AreFinite(ratios)) break;
    latency.ratio_interval = HalfWidth(ratios);
    if (latency.ratio_interval <= wanted || runs() + ours.runs_per_turn() > settings.max_runs) break;
  }
  if (AreFinite(ratios)) {
    latency.ratio = Median(ratios);
  } else if (settings.ratio_interval) {
    throw MachineError(
        "cannot measure the latency ratio: this machine's clock of processor time is too coarse, and "
        "measure.ratio_interval requires a precision");
  } else {
    latency.ratio = latency.ratio_interval = std::numeric_limits<double>::quiet_NaN();
  }
  if (settings.ratio_interval && latency.ratio_interval > wanted) {
    std::ostringstream message;
    message << "this machine is too noisy to measure latency: after " << runs() << " runs the ratio to the reference "
            << "network is uncertain by " << latency.ratio_interval << ", and measure.ratio_interval allows " << wanted;
    throw MachineError(message.str());
  }

  latency.runs = runs();
  latency.reference_ms = Median(reference_times.wall);
  if (by_cpu_time) latency.stolen = std::clamp(1 - Sum(times.cpu) / Sum(times.wall), 0.0, 1.0);
  std::sort(times.wall.begin(), times.wall.end());
  latency.median_ms = Quantile(times.wall, 0.5);
  latency.p90_ms = Quantile(times.wall, 0.9);
  latency.p99_ms = Quantile(times.wall, 0.99);
  latency.spread = (latency.p90_ms - Quantile(times.wall, 0.1)) / latency.median_ms;
  return latency;
}

}  // namespace layernas::trainer
