#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/commands/follow.h"
#include "client/local/local_cluster.h"
#include "client/output/frontier.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output_buffer.h"
#include "client/stop_signal.h"
#include "client/watch/watcher.h"
#include "common/base/processors.h"
#include "common/process/command_line.h"
#include "common/process/limits.h"

namespace layernas::client {
namespace {

struct RunOptions {
  // Empty with `resume`.
  std::string spec;
  bool resume = false;
  // A cost table, or empty.
  std::string costs;
  std::string data_dir;
  int workers = 1;
  bool layers = false;
  OutputFormat output = OutputFormat::kTable;
};

// During its lifetime, checks that the cluster runs. If not, requests a stop and keeps the reason.
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

  // Stops checking and returns the reason, or OK.
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

// Waits for the first worker. A search that is submitted earlier would tell the user to start a
// worker, which is wrong here. Gives up after a while; then the search reports the missing worker.
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

// Calls a method on a search and ignores the answer.
template <typename Request, typename Response>
absl::Status Change(ControllerConnection& connection,
                    grpc::Status (v1::SearchService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const std::string& name) {
  Request request;
  request.set_name(name);
  return connection.Call(method, request).status();
}

// Returns the shell command that resumes the search in `data_dir`.
std::string ResumeCommand(const CommandContext& context, const std::filesystem::path& data_dir) {
  std::string command = absl::StrCat("layernas run --resume --data-dir ", ShellQuoted(data_dir.string()));
  if (!context.worker_arguments.empty()) absl::StrAppend(&command, " --");
  for (const std::string& argument : context.worker_arguments) absl::StrAppend(&command, " ", ShellQuoted(argument));
  return command;
}

// The searches in the data directory, newest first.
struct KeptSearches {
  std::optional<v1::Search> newest;
  std::vector<v1::Search> unfinished;
};

absl::StatusOr<KeptSearches> FindKept(ControllerConnection& connection) {
  KeptSearches kept;
  LAYERNAS_RETURN_IF_ERROR(ForEachPage(connection, &v1::SearchService::Stub::ListSearches, v1::ListSearchesRequest(), 0,
                                       [&kept](const v1::ListSearchesResponse& page) {
                                         for (const v1::Search& search : page.searches()) {
                                           if (!kept.newest.has_value()) kept.newest = search;
                                           if (!IsFinal(search.state())) kept.unfinished.push_back(search);
                                         }
                                         return page.searches_size();
                                       })
                               .status());
  return kept;
}

// Pauses the unfinished searches of earlier runs, except `resumed`, and prints their names.
// Otherwise they would take workers from the search of this run.
absl::Status PauseOthers(const CommandContext& context, ControllerConnection& connection, const LocalCluster& cluster,
                         const std::vector<v1::Search>& unfinished, const std::string& resumed) {
  for (const v1::Search& search : unfinished) {
    if (search.name() == resumed) continue;
    if (search.state() != v1::SEARCH_STATE_PAUSED) {
      LAYERNAS_RETURN_IF_ERROR(Change(connection, &v1::SearchService::Stub::PauseSearch, search.name()));
    }
    context.terminal.err << context.terminal.Shown(ShortName(search.name())) << " in " << cluster.data_dir().string()
                         << " is unfinished and stays paused; after this run, resume it with: "
                         << ResumeCommand(context, cluster.data_dir()) << '\n';
  }
  return absl::OkStatus();
}

// Returns the search that --resume continues, or nothing if the spec is to be submitted.
absl::StatusOr<std::optional<v1::Search>> TakeUp(const CommandContext& context, ControllerConnection& connection,
                                                 const LocalCluster& cluster, bool resume) {
  LAYERNAS_ASSIGN_OR_RETURN(const KeptSearches kept, FindKept(connection));
  std::optional<v1::Search> resumed;
  if (resume) {
    if (!kept.newest.has_value()) {
      return absl::NotFoundError(absl::StrCat("cannot resume: ", cluster.data_dir().string(),
                                              " has no search; give a SPEC instead of --resume"));
    }
    resumed = kept.unfinished.empty() ? *kept.newest : kept.unfinished.front();
  }
  LAYERNAS_RETURN_IF_ERROR(
      PauseOthers(context, connection, cluster, kept.unfinished, resumed.has_value() ? resumed->name() : ""));
  if (resumed.has_value() && resumed->state() == v1::SEARCH_STATE_PAUSED) {
    LAYERNAS_RETURN_IF_ERROR(Change(connection, &v1::SearchService::Stub::ResumeSearch, resumed->name()));
  }
  return resumed;
}

absl::Status PrintResults(const Terminal& terminal, ControllerConnection& connection, const std::string& name,
                          const RunOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(connection, name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::GetFrontierResponse frontier, GetFrontier(connection, name));
  if (IsForPrograms(options.output)) {
    PrintMessage(terminal.out, frontier, {{"winners", PrintedWinners(search)}}, options.output);
  } else if (options.output == OutputFormat::kCsv) {
    PrintFrontierCsv(terminal, search, frontier, options.layers);
    // A program reads standard output as one table.
    PrintWinners(terminal.err, /*color=*/false, search);
  } else {
    terminal.out << '\n';
    PrintFrontier(terminal, search, frontier, options.layers);
  }
  return absl::OkStatus();
}

// Keeps the data directory, and says how to resume the search from it.
void KeepData(const CommandContext& context, LocalCluster& cluster, const std::string& name) {
  cluster.Keep();
  context.terminal.err << "the data of " << context.terminal.Shown(ShortName(name)) << " is kept in "
                       << cluster.data_dir().string()
                       << "; see its results or resume it with: " << ResumeCommand(context, cluster.data_dir()) << '\n';
}

// Handles a run that ended unexpectedly: prints the results if the controller still runs, and keeps
// the data directory unless there are no results.
void SaveResults(const CommandContext& context, const RunOptions& options, LocalCluster& cluster,
                 ControllerConnection& connection, const std::string& name) {
  if (cluster.ControllerRuns()) {
    const absl::StatusOr<v1::Search> search = GetSearch(connection, name);
    if (search.ok() && search->progress().succeeded() == 0) {
      // A directory of the user's is kept anyway, perhaps with saved trainings.
      if (!options.data_dir.empty()) KeepData(context, cluster, name);
      return;
    }
    PrintResults(context.terminal, connection, name, options).IgnoreError();
    FlushOutput(context.terminal.out).IgnoreError();
  }
  KeepData(context, cluster, name);
}

// Watches the search until it ends and prints its results. If it does not end, keeps the data
// directory if --data-dir is set or results would be lost.
absl::StatusOr<ExitCode> FollowRun(const CommandContext& context, const RunOptions& options, LocalCluster& cluster,
                                   ControllerConnection& connection, const v1::Search& search, StopSignal& stop) {
  ClusterGuard guard(cluster, stop);
  // If a program reads standard output, only results go there.
  const bool for_people = options.output == OutputFormat::kTable;
  const Terminal lines{context.terminal.err, context.terminal.err, false, false, nullptr, context.terminal.unicode};
  const std::unique_ptr<WatchView> view = MakeView(for_people ? context.terminal : lines, OutputFormat::kTable);
  const absl::StatusOr<std::optional<v1::Search>> watched = Watch(connection, search.name(), 0, *view, stop);
  if (const absl::Status ended = guard.End(); !ended.ok() || !watched.ok()) {
    SaveResults(context, options, cluster, connection, search.name());
    return ended.ok() ? watched.status() : ended;
  }
  std::optional<v1::Search> last = *watched;
  const std::string shown = context.terminal.Shown(ShortName(search.name()));
  const bool lost_early = !FlushOutput(context.terminal.out).ok();
  const bool cancel = !last.has_value() && options.data_dir.empty() && !lost_early;
  if (cancel) {
    context.terminal.err << "interrupted: cancelling " << shown << "; use --data-dir to be able to resume a search\n";
    absl::Status cancelled = Change(connection, &v1::SearchService::Stub::CancelSearch, search.name());
    if (absl::IsFailedPrecondition(cancelled)) {
      // The search ended just before.
      absl::StatusOr<v1::Search> ended = GetSearch(connection, search.name());
      cancelled = ended.status();
      if (ended.ok()) last = *std::move(ended);
    }
    if (!cancelled.ok()) {
      SaveResults(context, options, cluster, connection, search.name());
      return cancelled;
    }
  }
  if (!lost_early) {
    const absl::Status printed = PrintResults(context.terminal, connection, search.name(), options);
    if (!printed.ok()) {
      SaveResults(context, options, cluster, connection, search.name());
      return printed;
    }
  }
  if (!FlushOutput(context.terminal.out).ok()) {
    KeepData(context, cluster, search.name());
    return ExitCode::kError;
  }
  if (last.has_value()) return ExitCodeOf(last->state());
  if (cancel) return ExitCode::kSearchCancelled;
  context.terminal.err << "interrupted: " << shown
                       << " is unfinished; resume it with: " << ResumeCommand(context, cluster.data_dir()) << '\n';
  return ExitCode::kInterrupted;
}

absl::Status CheckOptions(const RunOptions& options) {
  if (!options.resume) {
    return options.spec.empty() ? absl::InvalidArgumentError("SPEC is missing") : absl::OkStatus();
  }
  if (options.data_dir.empty()) return absl::InvalidArgumentError("--resume needs the --data-dir of the earlier run");
  if (!options.spec.empty() || !options.costs.empty()) {
    return absl::InvalidArgumentError("--resume continues the search in --data-dir: leave SPEC and --costs out");
  }
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::path(options.data_dir) / "controller", error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot resume: ", options.data_dir, " has no search", error ? ": " + error.message() : ""));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Run(const CommandContext& context, const RunOptions& options) {
  LAYERNAS_RETURN_IF_ERROR(CheckOptions(options));
  SpecFile file;
  if (!options.resume) {
    file = ReadSpecFile(options.spec, options.costs);
    if (ReportMistakes(context.terminal, file)) return ExitCode::kUsage;
  }
  // Each worker needs several open files.
  RaiseOpenFileLimit();
  StopSignal stop;
  const StopOnInterrupt interrupt(stop);
  LAYERNAS_ASSIGN_OR_RETURN(
      const std::unique_ptr<LocalCluster> cluster,
      LocalCluster::Start({context.program_folder, options.data_dir, options.workers, context.worker_arguments}, stop));
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, ControllerConnection::Create(cluster->controller_address(),
                                                                                cluster->controller_security()));
  LAYERNAS_ASSIGN_OR_RETURN(std::optional<v1::Search> search, TakeUp(context, *connection, *cluster, options.resume));
  LAYERNAS_RETURN_IF_ERROR(cluster->StartWorkers());
  LAYERNAS_RETURN_IF_ERROR(AwaitWorker(*connection, *cluster, stop));
  if (!search.has_value()) {
    LAYERNAS_ASSIGN_OR_RETURN(search, SubmitSpec(*connection, file));
  }
  return FollowRun(context, options, *cluster, *connection, *search, stop);
}

}  // namespace

void AddRunCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command =
      AddCommand(app, "run",
                 "Run a search on this machine with its own controller and workers.\n"
                 "Arguments after -- are passed to the workers (see layernas-worker --help)",
                 {"layernas run spec.yaml", "layernas run spec.yaml --workers 4 --data-dir runs/shapes10",
                  "layernas run --resume --data-dir runs/shapes10",
                  "layernas run spec.yaml -- --evaluator tabular --table results.csv --metric accuracy=test_acc",
                  "layernas run spec.yaml -- --command 'python3 train.py'"});
  const auto options = std::make_shared<RunOptions>();
  options->workers = UsableProcessors();
  command.add_option("SPEC", options->spec, "Spec file, or - for standard input (required without --resume)");
  AddCosts(command, options->costs);
  command.add_option("--workers", options->workers, "Workers to start, each for one training at a time")
      ->check(CLI::Range(1, 1000))
      ->option_text("N [" + std::to_string(options->workers) + ", one per usable processor]");
  command
      .add_option("--data-dir", options->data_dir,
                  "Directory for the search's data, weights and logs; needed to resume an interrupted search (default: "
                  "a temporary directory, removed at the end)")
      ->option_text("DIR");
  command.add_flag("--resume", options->resume,
                   "Resume the newest unfinished search in --data-dir instead of submitting SPEC");
  command.add_flag("--layers", options->layers, "Show the chosen option of each layer");
  AddOutput(command, options->output,
            {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv, OutputFormat::kYaml});
  SetAction(command, context, [options, &context] { return Run(context, *options); });
}

}  // namespace layernas::client
