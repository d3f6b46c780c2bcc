#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "client/commands/command.h"
#include "client/commands/follow.h"
#include "client/local/local_cluster.h"
#include "client/output/frontier.h"
#include "client/output/json.h"
#include "client/search_text.h"
#include "client/stop_signal.h"
#include "client/watch/watcher.h"
#include "common/base/processors.h"

namespace layernas::client {
namespace {

struct RunOptions {
  std::string spec;
  // A table, or empty.
  std::string costs;
  std::string data_dir;
  int workers = 1;
  bool layers = false;
  OutputFormat output = OutputFormat::kTable;
};

// While it lives, looks whether the cluster runs; if not, requests a stop and says why.
class ClusterGuard {
 public:
  ClusterGuard(LocalCluster& cluster, StopSignal& stop)
      : thread_([this, &cluster, &stop] {
          while (!ended_.WaitFor(Millis(200))) {
            if (failure_ = cluster.Check(); failure_.ok()) continue;
            stop.Request();
            return;
          }
        }) {}
  ~ClusterGuard() { End().IgnoreError(); }
  ClusterGuard(const ClusterGuard&) = delete;
  ClusterGuard& operator=(const ClusterGuard&) = delete;

  // Stops looking; what went wrong, if anything did.
  absl::Status End() {
    ended_.Request();
    if (thread_.joinable()) thread_.join();
    return failure_;
  }

 private:
  StopSignal ended_;
  absl::Status failure_;
  std::thread thread_;
};

// A search that is submitted before the first worker is there would say how to start one, which is not the reader's
// business here. Whoever stays away for long is not waited for: the search says so then.
absl::Status AwaitWorker(ControllerConnection& connection, LocalCluster& cluster, StopSignal& stop) {
  constexpr Millis kPoll{50};
  const SteadyTime deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    LAYERNAS_RETURN_IF_ERROR(cluster.Check());
    v1::ListWorkersRequest request;
    request.set_page_size(1);
    LAYERNAS_ASSIGN_OR_RETURN(const v1::ListWorkersResponse workers,
                              connection.Call(&v1::FleetService::Stub::ListWorkers, request));
    if (!workers.workers().empty()) break;
    if (stop.WaitFor(kPoll)) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

absl::Status Cancel(ControllerConnection& connection, const std::string& name) {
  v1::CancelSearchRequest request;
  request.set_name(name);
  return connection.Call(&v1::SearchService::Stub::CancelSearch, request).status();
}

absl::Status PrintResults(const Terminal& terminal, ControllerConnection& connection, const std::string& name,
                          const RunOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(connection, name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::GetFrontierResponse frontier, GetFrontier(connection, name));
  if (IsForPrograms(options.output)) {
    PrintMessage(terminal.out, frontier, options.output);
  } else if (options.output == OutputFormat::kCsv) {
    PrintFrontierCsv(terminal.out, search, frontier, options.layers);
  } else {
    terminal.out << '\n';
    PrintFrontier(terminal, search, frontier, options.layers);
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Run(const CommandContext& context, const RunOptions& options) {
  const SpecFile file = ReadSpecFile(options.spec, options.costs);
  if (ReportMistakes(context.terminal, file)) return ExitCode::kUsage;
  StopSignal stop;
  const StopOnInterrupt interrupt(stop);
  LAYERNAS_ASSIGN_OR_RETURN(
      const std::unique_ptr<LocalCluster> cluster,
      LocalCluster::Start({context.program_folder, options.data_dir, options.workers, context.worker_arguments}, stop));
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, ControllerConnection::Create(cluster->controller_address(),
                                                                                cluster->controller_security()));
  LAYERNAS_RETURN_IF_ERROR(AwaitWorker(*connection, *cluster, stop));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, SubmitSpec(*connection, file));

  ClusterGuard guard(*cluster, stop);
  // Results alone go to standard output where a program reads them.
  Terminal progress = context.terminal;
  const bool for_people = options.output == OutputFormat::kTable;
  const Terminal lines{context.terminal.err, context.terminal.err};
  const std::unique_ptr<WatchView> view = MakeView(for_people ? progress : lines, OutputFormat::kTable);
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<v1::Search> last, Watch(*connection, search.name(), 0, *view, stop));
  LAYERNAS_RETURN_IF_ERROR(guard.End());
  if (!last.has_value()) {
    context.terminal.err << "interrupted: cancelling " << ShortName(search.name()) << '\n';
    LAYERNAS_RETURN_IF_ERROR(Cancel(*connection, search.name()));
  }
  LAYERNAS_RETURN_IF_ERROR(PrintResults(context.terminal, *connection, search.name(), options));
  return last.has_value() ? ExitCodeOf(last->state()) : ExitCode::kSearchCancelled;
}

}  // namespace

void AddRunCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command =
      AddCommand(app, "run",
                 "Run a search on this machine alone, with a controller and workers of its own.\n"
                 "What stands after -- goes to the workers (see layernas-worker --help)",
                 {"layernas run spec.yaml", "layernas run spec.yaml --workers 4 --data-dir runs/shapes10",
                  "layernas run spec.yaml -- --evaluator tabular --table results.csv --metric accuracy=test_acc",
                  "layernas run spec.yaml -- --command 'python3 train.py'"});
  const auto options = std::make_shared<RunOptions>();
  options->workers = UsableProcessors();
  command.add_option("SPEC", options->spec, "The spec file, or - for standard input")->required()->option_text("");
  AddCosts(command, options->costs);
  command.add_option("--workers", options->workers, "Workers to start, each with one training at a time")
      ->check(CLI::Range(1, 1000))
      ->option_text("N [" + std::to_string(options->workers) + ", one per CPU core]");
  command
      .add_option("--data-dir", options->data_dir,
                  "Keep the controller's data, the winners' networks and all logs here; by default data and logs are "
                  "removed at the end")
      ->option_text("DIR");
  command.add_flag("--layers", options->layers, "Show the chosen option of each layer");
  AddOutput(command, options->output,
            {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv, OutputFormat::kYaml});
  SetAction(command, context, [options, &context] { return Run(context, *options); });
}

}  // namespace layernas::client
