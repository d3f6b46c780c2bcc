#include <cctype>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/checks.h"
#include "client/commands/command.h"
#include "client/output/frontier.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

struct ResultOptions {
  std::string name;
  OutputFormat output = OutputFormat::kTable;
  bool layers = false;
  // For candidates.
  std::vector<v1::CandidateState> states;
  std::int64_t limit = 0;
  // For buckets; 0 = the latest.
  int pass = 0;
  int stage = 0;
};

void AddLayers(CLI::App& command, ResultOptions& options) {
  command.add_flag("--layers", options.layers, "Show the chosen option of each layer");
}

absl::StatusOr<ExitCode> Frontier(const CommandContext& context, const ResultOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, options.name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(*connection, name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::GetFrontierResponse frontier, GetFrontier(*connection, name));
  std::ostream& out = context.terminal.out;
  if (IsForPrograms(options.output)) {
    PrintMessage(out, frontier, options.output);
  } else if (options.output == OutputFormat::kCsv) {
    PrintFrontierCsv(context.terminal, search, frontier, options.layers);
  } else {
    PrintFrontier(context.terminal, search, frontier, options.layers);
  }
  return ExitCode::kOk;
}

Cell TimeCell(const google::protobuf::Timestamp& time) {
  Cell cell = Cell::Text(FormatTime(time));
  cell.exact = FormatExactTime(time);
  return cell;
}

// Returns what a candidate is trained for, unless it is the first training of its architecture.
Cell TrainedForCell(const v1::Candidate& candidate) {
  if (!candidate.final_of().empty()) return Cell::Text("final of " + ShortName(candidate.final_of()));
  if (candidate.repeat() > 0) return Cell::Text("repeat of " + ShortName(candidate.repeat_of()));
  return Cell::Text("");
}

// Returns the worker that evaluated the candidate, or the search whose result it reuses.
Cell WorkerCell(const v1::Candidate& candidate) {
  return Cell::Text(candidate.reused_from().empty() ? candidate.worker() : "reused: " + candidate.reused_from());
}

void PrintCandidates(const Terminal& terminal, const v1::Search& search, const std::vector<v1::Candidate>& candidates,
                     const ResultOptions& options) {
  bool any_failure = false;
  bool any_again = false;
  for (const v1::Candidate& candidate : candidates) {
    any_failure = any_failure || !candidate.failures().empty();
    any_again = any_again || candidate.repeat() > 0 || !candidate.final_of().empty();
  }
  const std::set<std::string> metrics = MetricsBesides(search, candidates);
  const ResultColumns columns(search, {metrics.begin(), metrics.end()}, options.layers);
  const bool csv = options.output == OutputFormat::kCsv;
  std::vector<std::string> titles = {"candidate", "architecture", "state", "pass", "stage", "attempt", "worker"};
  std::vector<std::string> last;
  if (csv) last.insert(last.end(), {"created", "started", "ended"});
  if (csv || any_failure) last.push_back("last failure");
  if (csv || any_again) last.push_back("trained as");
  if (csv) last.push_back("reward estimate");
  std::vector<std::string> fixed = titles;
  fixed.insert(fixed.end(), last.begin(), last.end());
  ColumnNames names(fixed);
  titles.push_back(names.AddMetric(CostName(search)));
  titles.push_back(names.AddMetric(RewardName(search)));
  columns.AddTitles(names, titles);
  titles.insert(titles.end(), last.begin(), last.end());

  Table table(std::move(titles));
  for (const v1::Candidate& candidate : candidates) {
    const bool stopped = candidate.state() == v1::CANDIDATE_STATE_STOPPED;
    // An estimate has a mark in text and a separate column in CSV.
    Cell reward = candidate.state() == v1::CANDIDATE_STATE_SUCCEEDED ? Cell::Value(candidate.reward()) : Cell::Empty();
    if (stopped) {
      reward.human = absl::StrCat("~", FormatValue(candidate.reward()));
      reward.align_right = true;
    }
    std::vector<Cell> cells = {Cell::Text(ShortName(candidate.name())),
                               Cell::Text(candidate.architecture().id()),
                               StateCell(candidate.state()),
                               Cell::Count(candidate.pass()),
                               Cell::Count(candidate.stage()),
                               Cell::Count(candidate.attempt()),
                               WorkerCell(candidate),
                               HasCost(candidate) ? Cell::Value(candidate.cost()) : Cell::Empty(),
                               reward};
    columns.AddCells(candidate.metrics(), candidate.architecture(), cells);
    if (csv) {
      for (const auto* time : {&candidate.create_time(), &candidate.start_time(), &candidate.end_time()}) {
        cells.push_back(TimeCell(*time));
      }
    }
    if (csv || any_failure) {
      Cell failure = Cell::Text(candidate.failures().empty() ? "" : candidate.failures().rbegin()->message());
      failure.human = OneLine(failure.human);
      cells.push_back(std::move(failure));
    }
    if (csv || any_again) cells.push_back(TrainedForCell(candidate));
    if (csv) cells.push_back(stopped ? Cell::Value(candidate.reward()) : Cell::Empty());
    table.AddRow(std::move(cells));
  }
  if (csv) {
    table.PrintCsv(terminal.out, terminal.IsScreen());
  } else if (table.empty()) {
    terminal.out << (options.states.empty() ? "no candidates\n" : "no candidates in that state\n");
  } else {
    table.Print(terminal.out, terminal.color);
  }
}

absl::StatusOr<ExitCode> Candidates(const CommandContext& context, const ResultOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, options.name));
  v1::ListCandidatesRequest request;
  request.set_parent(name);
  for (const v1::CandidateState state : options.states) request.add_states(state);
  const auto method = &v1::SearchService::Stub::ListCandidates;
  if (IsForPrograms(options.output)) {
    // Requested first, so that an unknown search gives an error instead of half a list.
    LAYERNAS_RETURN_IF_ERROR(GetSearch(*connection, name).status());
    MessageList list(context.terminal.out, "candidates", options.output);
    LAYERNAS_RETURN_IF_ERROR(
        ForEachPage(*connection, method, request, options.limit, [&](const v1::ListCandidatesResponse& page) {
          for (const v1::Candidate& candidate : page.candidates()) list.Add(candidate);
          // Nobody may read the rest.
          return context.terminal.out ? page.candidates_size() : -1;
        }).status());
    return ExitCode::kOk;
  }
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(*connection, name));
  std::vector<v1::Candidate> candidates;
  LAYERNAS_RETURN_IF_ERROR(
      ForEachPage(*connection, method, request, options.limit, [&](const v1::ListCandidatesResponse& page) {
        for (const v1::Candidate& candidate : page.candidates()) {
          candidates.push_back(candidate);
          // Architectures make up most of the size of a candidate, and a large search has many.
          if (!options.layers) candidates.back().mutable_architecture()->clear_layers();
        }
        return page.candidates_size();
      }).status());
  PrintCandidates(context.terminal, search, candidates, options);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Buckets(const CommandContext& context, const ResultOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, options.name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(*connection, name));
  v1::GetBucketsRequest request;
  request.set_name(name);
  request.set_pass(options.pass);
  request.set_stage(options.stage);
  v1::GetBucketsResponse response;
  LAYERNAS_RETURN_IF_ERROR(ForEachPage(*connection, &v1::SearchService::Stub::GetBuckets, request, 0,
                                       [&response](const v1::GetBucketsResponse& page) {
                                         response.MergeFrom(page);
                                         return page.buckets_size();
                                       })
                               .status());
  response.clear_next_page_token();
  std::ostream& out = context.terminal.out;
  if (IsForPrograms(options.output)) {
    PrintMessage(out, response, options.output);
    return ExitCode::kOk;
  }
  const bool csv = options.output == OutputFormat::kCsv;
  std::vector<std::string> titles = {
      "pass", "stage", "bucket", "from", "below", CostName(search), RewardName(search), "architecture", "candidate"};
  if (csv) titles.push_back("is_estimate");
  Table table(std::move(titles));
  for (const v1::Bucket& bucket : response.buckets()) {
    const std::vector<Cell> place = {Cell::Count(bucket.pass()), Cell::Count(bucket.stage()),
                                     Cell::Count(bucket.bucket()), Cell::Value(bucket.lower()),
                                     Cell::Value(bucket.upper())};
    if (bucket.entries().empty()) {
      std::vector<Cell> cells = place;
      cells.resize(place.size() + (csv ? 5 : 4), Cell::Empty());
      table.AddRow(std::move(cells));
    }
    for (const v1::BucketEntry& entry : bucket.entries()) {
      std::vector<Cell> cells = place;
      Cell reward = Cell::Value(entry.reward());
      if (entry.is_estimate()) reward.human = absl::StrCat("~", reward.human);
      for (Cell& cell :
           std::vector<Cell>{Cell::Value(entry.cost()), std::move(reward), Cell::Text(entry.architecture_id()),
                             Cell::Text(ShortName(entry.candidate()))}) {
        cells.push_back(std::move(cell));
      }
      // The mark of an estimate is lost in CSV.
      if (csv) cells.push_back(Cell::Text(entry.is_estimate() ? "true" : "false"));
      table.AddRow(std::move(cells));
    }
  }
  if (csv) {
    table.PrintCsv(out, context.terminal.IsScreen());
  } else if (table.empty()) {
    out << "no buckets: only LayerNAS has them, after its first decided layer\n";
  } else {
    table.Print(out, context.terminal.color);
  }
  return ExitCode::kOk;
}

// Adds the options that the three commands share. Returns the command for further options.
CLI::App& AddResultCommand(CLI::App& search, CommandContext& context, const std::string& name,
                           const std::string& description, const std::vector<std::string>& examples,
                           const std::shared_ptr<ResultOptions>& options,
                           absl::StatusOr<ExitCode> (*action)(const CommandContext&, const ResultOptions&)) {
  CLI::App& command = AddCommand(search, name, description, examples);
  AddSearchName(command, options->name);
  AddOutput(command, options->output,
            {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, action, &context] { return action(context, *options); });
  return command;
}

}  // namespace

void AddFrontierCommand(CLI::App& search, CommandContext& context) {
  const auto options = std::make_shared<ResultOptions>();
  CLI::App& command =
      AddResultCommand(search, context, "frontier", "Show the best architecture for each target, and the frontier",
                       {"layernas search frontier shapes10-1", "layernas search frontier shapes10-1 --layers",
                        "layernas search frontier shapes10-1 -o csv > frontier.csv"},
                       options, Frontier);
  AddLayers(command, *options);
}

void AddCandidatesCommand(CLI::App& search, CommandContext& context) {
  const auto options = std::make_shared<ResultOptions>();
  CLI::App& command = AddResultCommand(
      search, context, "candidates", "List candidates in the order of proposal",
      {"layernas search candidates shapes10-1", "layernas search candidates shapes10-1 --state infeasible",
       "layernas search candidates shapes10-1 -o csv > candidates.csv"},
      options, Candidates);
  std::map<std::string, int> states;
  for (int i = v1::CandidateState_MIN + 1; i <= v1::CandidateState_MAX; ++i) {
    const auto state = static_cast<v1::CandidateState>(i);
    states.emplace(StateText(state), state);
  }
  std::string names;
  for (const auto& [name, state] : states) absl::StrAppend(&names, names.empty() ? "" : "|", name);
  command
      .add_option("--state", options->states, "List only candidates in this state (repeatable)")
      // Otherwise, the option would take the name of the search too.
      ->allow_extra_args(false)
      ->transform(OneOf(states))
      ->option_text(names);
  command.add_option("--limit", options->limit, "Maximum candidates to list; 0 = all")
      ->check(WholeNumber(0))
      ->option_text("N [0]");
  AddLayers(command, *options);
}

void AddBucketsCommand(CLI::App& search, CommandContext& context) {
  const auto options = std::make_shared<ResultOptions>();
  CLI::App& command = AddResultCommand(
      search, context, "buckets", "Show the best architecture in each cost bucket (LayerNAS only)",
      {"layernas search buckets shapes10-1", "layernas search buckets shapes10-1 --pass 1 --stage 3 -o csv"}, options,
      Buckets);
  command.add_option("--pass", options->pass, "Number of the pass; 0 = the latest")
      ->check(WholeNumber(0))
      ->option_text("P [0]");
  command.add_option("--stage", options->stage, "Number of decided layers; 0 = the latest stage")
      ->check(WholeNumber(0))
      ->option_text("S [0]");
}

}  // namespace layernas::client
