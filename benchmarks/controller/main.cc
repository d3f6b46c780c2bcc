// layernas-bench-controller: measures the throughput and latency of a controller.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "benchmarks/controller/controller_process.h"
#include "benchmarks/controller/event_loop.h"
#include "benchmarks/controller/load.h"
#include "benchmarks/controller/machine.h"
#include "benchmarks/controller/parked.h"
#include "benchmarks/controller/readers.h"
#include "benchmarks/controller/searches.h"
#include "common/base/status_macros.h"
#include "common/process/limits.h"

namespace layernas::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ControllerProcessOptions controller;
  SpaceShape shape;
  LoadOptions load;
  ReaderOptions readers;
  ParkedOptions parked;
  double seconds = 10;
  double warm_up_seconds = 1;
  std::uint64_t candidates = 0;
  int page_reads = 500;
  int park = 0;
  bool json = false;
};

double Mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// Gives the search `options.candidates` results, then restarts the controller on them.
absl::Status Fill(const Options& options, ControllerProcess& controller, const std::string& search, Json& report) {
  {
    EventLoop loop(controller.address(), 1);
    LoadOptions fill;
    fill.workers = 32;
    fill.batch = static_cast<int>(std::min<std::uint64_t>(64, std::max<std::uint64_t>(options.candidates / 64, 1)));
    fill.metrics = options.load.metrics;
    fill.warm_up = Millis{0};
    fill.duration = Millis{3'600'000};
    fill.evaluations = options.candidates;
    fill.prefix = "fill";
    LAYERNAS_ASSIGN_OR_RETURN(const LoadResult filled, RunLoad(loop, fill, controller.pid()));
    report["fill_evaluations_per_second"] = static_cast<double>(filled.evaluations) / filled.seconds;
    report["filled"] = filled.all_evaluations;
  }
  report["filled_rss_mib"] = Mebibytes(ReadResidentBytes(controller.pid()));
  LAYERNAS_RETURN_IF_ERROR(controller.Restart(/*kill=*/false));
  report["start_seconds"] = controller.start_seconds();
  report["start_rss_mib"] = Mebibytes(ReadResidentBytes(controller.pid()));
  report["start_peak_rss_mib"] = Mebibytes(ReadPeakResidentBytes(controller.pid()));
  for (const int size : {100, 1000}) {
    LAYERNAS_ASSIGN_OR_RETURN(const Pages pages, ReadPages(controller.address(), search, size, options.page_reads));
    const std::string name = absl::StrCat("page_", size);
    report[absl::StrCat(name, "_p50_ms")] = pages.latencies.Quantile(0.5);
    report[absl::StrCat(name, "_p99_ms")] = pages.latencies.Quantile(0.99);
  }
  return absl::OkStatus();
}

absl::Status Load(const Options& options, ControllerProcess& controller, const std::string& search, Json& report) {
  EventLoop loop(controller.address(), options.load.connections);
  ReaderOptions reader_options = options.readers;
  reader_options.search = search;
  const Readers readers(loop, reader_options);
  LAYERNAS_ASSIGN_OR_RETURN(const double syncs, controller.ReadMetric("layernas_storage_syncs_total"));
  LAYERNAS_ASSIGN_OR_RETURN(const LoadResult load, RunLoad(loop, options.load, controller.pid()));
  // The gauge of syncs is updated every 200 ms.
  loop.RunFor(Millis{500});
  LAYERNAS_ASSIGN_OR_RETURN(const double syncs_after, controller.ReadMetric("layernas_storage_syncs_total"));
  LAYERNAS_ASSIGN_OR_RETURN(const double commits, controller.ReadMetric("layernas_storage_commit_seconds_count"));
  LAYERNAS_ASSIGN_OR_RETURN(const double commit_seconds, controller.ReadMetric("layernas_storage_commit_seconds_sum"));
  report["workers"] = options.load.workers;
  report["batch"] = options.load.batch;
  if (options.load.rate > 0) report["rate"] = options.load.rate;
  report["seconds"] = load.seconds;
  report["evaluations_per_second"] = static_cast<double>(load.evaluations) / load.seconds;
  report["lease_p50_ms"] = load.leases.Quantile(0.5);
  report["lease_p99_ms"] = load.leases.Quantile(0.99);
  report["completion_p50_ms"] = load.completions.Quantile(0.5);
  report["completion_p99_ms"] = load.completions.Quantile(0.99);
  report["round_p99_ms"] = load.rounds.Quantile(0.99);
  // The database synced every write of the store since its start.
  report["synced"] = syncs_after > syncs && syncs_after >= commits;
  report["mean_commit_ms"] = 1000 * commit_seconds / commits;
  report["idle_share"] = load.idle_share;
  report["controller_cpu_share"] = load.controller_cpu_seconds / load.seconds;
  report["client_cpu_share"] = load.client_cpu_seconds / load.seconds;
  report["controller_cpu_us_per_evaluation"] =
      1e6 * load.controller_cpu_seconds / static_cast<double>(std::max<std::uint64_t>(load.evaluations, 1));
  report["controller_rss_mib"] = Mebibytes(ReadResidentBytes(controller.pid()));
  if (options.readers.watches > 0) {
    report["watched_changes_per_second"] = static_cast<double>(readers.watched()) / load.seconds;
    report["broken_watches"] = readers.broken_watches();
  }
  if (options.readers.pages > 0) {
    report["page_p50_ms"] = readers.pages().Quantile(0.5);
    report["page_p99_ms"] = readers.pages().Quantile(0.99);
  }
  // The count here must match the count of the search.
  const std::uint64_t counted = load.all_evaluations + report.value("filled", std::uint64_t{0});
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search end, GetSearch(controller.address(), search));
  if (static_cast<std::uint64_t>(end.progress().succeeded()) != counted) {
    return absl::InternalError(
        absl::StrCat(counted, " completions were accepted, but the search has ", end.progress().succeeded()));
  }
  return absl::OkStatus();
}

absl::Status Park(const Options& options, ControllerProcess& controller, Json& report) {
  LAYERNAS_ASSIGN_OR_RETURN(const ParkedResult parked, RunParked(controller, options.parked));
  report["parked_workers"] = options.parked.workers;
  report["parked_cpu_share"] = parked.cpu_share;
  report["parked_rss_mib"] = Mebibytes(parked.rss_bytes);
  report["parked_idle_share"] = parked.idle_share;
  report["served_seconds"] = parked.served_seconds;
  report["reconnected_seconds"] = parked.reconnected_seconds;
  report["reconnected_peak_share"] = parked.reconnected_peak_share;
  return absl::OkStatus();
}

absl::StatusOr<Json> Run(const Options& options) {
  Json report;
  LAYERNAS_ASSIGN_OR_RETURN(const auto controller, ControllerProcess::Start(options.controller));
  if (options.park > 0) {
    LAYERNAS_RETURN_IF_ERROR(Park(options, *controller, report));
    return report;
  }
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, CreateSearch(controller->address(), MakeSpec(options.shape)));
  if (options.candidates > 0) LAYERNAS_RETURN_IF_ERROR(Fill(options, *controller, search.name(), report));
  if (options.load.workers > 0) LAYERNAS_RETURN_IF_ERROR(Load(options, *controller, search.name(), report));
  return report;
}

}  // namespace
}  // namespace layernas::bench

int main(int argc, char** argv) {
  using layernas::Millis;
  layernas::bench::Options options;
  CLI::App app(
      "Starts a controller on loopback with temporary data, loads it, and reports its performance. Results are "
      "invented: nothing is evaluated.",
      "layernas-bench-controller");
  std::error_code error;
  options.controller.program =
      (std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "layernas-controller").string();
  options.controller.parent = std::filesystem::temp_directory_path(error);
  app.add_option("--controller", options.controller.program, "Path of layernas-controller")->capture_default_str();
  app.add_option("--parent", options.controller.parent, "Directory for the temporary data, on the disk to measure")
      ->capture_default_str();
  app.add_option("--layers", options.shape.layers, "Layers of the space")->capture_default_str();
  app.add_option("--options", options.shape.options, "Options per layer")->capture_default_str();
  app.add_option("--workers", options.load.workers,
                 "Workers, each of which leases and completes tasks in turn; 0: no load")
      ->capture_default_str();
  app.add_option("--batch", options.load.batch, "Candidates per call")->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--connections", options.load.connections, "TCP connections that the workers share")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--metrics", options.load.metrics, "Metrics per result")
      ->check(CLI::Range(2, 256))
      ->capture_default_str();
  app.add_option("--rate", options.load.rate, "Evaluations per second; 0: as many as possible")->capture_default_str();
  app.add_option("--seconds", options.seconds, "Measured time, in seconds")->capture_default_str();
  app.add_option("--warm-up", options.warm_up_seconds, "Time before the measurement, in seconds")
      ->capture_default_str();
  app.add_option("--watches", options.readers.watches, "Watches of the search during the load")->capture_default_str();
  app.add_option("--pages", options.readers.pages, "Pages of candidates to read per second during the load")
      ->capture_default_str();
  app.add_option("--candidates", options.candidates,
                 "Results of the search before the load; the controller is restarted on them");
  app.add_option("--page-reads", options.page_reads, "Page reads of those results, with pages of 100 and of 1,000")
      ->capture_default_str();
  app.add_option("--park", options.park, "Workers that wait for work, each on its own connection, instead of the load");
  app.add_flag("--json", options.json, "Print one JSON object");
  CLI11_PARSE(app, argc, argv);
  options.load.warm_up = Millis(static_cast<std::int64_t>(1000 * options.warm_up_seconds));
  options.load.duration = Millis(static_cast<std::int64_t>(1000 * options.seconds));
  options.parked.workers = options.park;
  options.parked.duration = options.load.duration;
  options.parked.shape = options.shape;

  // Same as in the controller.
  layernas::RaiseOpenFileLimit();
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto report = layernas::bench::Run(options);
  if (!report.ok()) {
    std::cerr << "layernas-bench-controller: " << report.status().message() << "\n";
    return EXIT_FAILURE;
  }
  if (options.json) {
    std::cout << report->dump() << std::endl;
  } else {
    for (const auto& [name, value] : report->items()) std::cout << name << ": " << value << "\n";
  }
  return EXIT_SUCCESS;
}
