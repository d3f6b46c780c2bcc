#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output/json.h"
#include "client/output/table.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

struct WorkerListOptions {
  OutputFormat output = OutputFormat::kTable;
};

std::string LabelsText(const v1::WorkerInfo& info) {
  std::string text;
  for (const auto& [key, value] : std::map<std::string, std::string>(info.labels().begin(), info.labels().end())) {
    absl::StrAppend(&text, text.empty() ? "" : " ", key, "=", value);
  }
  return text;
}

// Returns the recent failures of the worker, and whether it is shunned.
Cell TroubleCell(const v1::WorkerStatus& worker) {
  if (worker.failures_in_a_row() == 0) return Cell::Empty();
  std::string text;
  if (worker.has_shunned_for()) {
    const std::chrono::seconds left(worker.shunned_for().seconds() + (worker.shunned_for().nanos() > 0 ? 1 : 0));
    text = absl::StrCat("shunned for ", FormatElapsed(left), ": ");
  }
  const std::string last = worker.last_failure().substr(0, worker.last_failure().find('\n'));
  absl::StrAppend(&text, worker.failures_in_a_row(), " failed in a row, the last: ", last);
  return Cell::Text(std::move(text), worker.has_shunned_for() ? Style::kBad : Style::kPlain);
}

absl::StatusOr<ExitCode> ListWorkers(const CommandContext& context, const WorkerListOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  v1::ListWorkersResponse all;
  LAYERNAS_RETURN_IF_ERROR(ForEachPage(*connection, &v1::FleetService::Stub::ListWorkers, v1::ListWorkersRequest(), 0,
                                       [&](const v1::ListWorkersResponse& page) {
                                         all.mutable_workers()->MergeFrom(page.workers());
                                         return page.workers_size();
                                       })
                               .status());
  std::ostream& out = context.terminal.out;
  if (IsForPrograms(options.output)) {
    MessageList list(out, "workers", options.output);
    for (const v1::WorkerStatus& worker : all.workers()) list.Add(worker);
    return ExitCode::kOk;
  }
  const bool any_trouble = std::any_of(all.workers().begin(), all.workers().end(),
                                       [](const v1::WorkerStatus& worker) { return worker.failures_in_a_row() > 0; });
  std::vector<std::string> titles = {"worker", "busy", "slots", "labels", "version", "heard from"};
  if (any_trouble || options.output == OutputFormat::kCsv) titles.push_back("trouble");
  const std::size_t columns = titles.size();
  Table table(std::move(titles));
  for (const v1::WorkerStatus& worker : all.workers()) {
    Cell heard = Cell::Text(FormatElapsed(std::chrono::seconds(worker.since_heard().seconds())) + " ago");
    heard.exact = std::to_string(worker.since_heard().seconds());
    std::vector<Cell> cells = {Cell::Text(worker.info().id()),      Cell::Count(worker.candidates_size()),
                               Cell::Count(worker.info().slots()),  Cell::Text(LabelsText(worker.info())),
                               Cell::Text(worker.info().version()), heard};
    if (cells.size() < columns) cells.push_back(TroubleCell(worker));
    table.AddRow(std::move(cells));
  }
  if (options.output == OutputFormat::kCsv) {
    table.PrintCsv(out, context.terminal.IsScreen());
  } else if (table.empty()) {
    out << "no workers; start one with 'layernas-worker --controller " << connection->address() << "'\n";
  } else {
    table.Print(out, context.terminal.color);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddWorkerCommands(CLI::App& app, CommandContext& context) {
  CLI::App& worker = AddCommand(app, "worker", "Show the workers", {});
  worker.require_subcommand(1);
  CLI::App& list = AddCommand(worker, "list", "List the workers that contacted the controller recently",
                              {"layernas worker list", "layernas worker list -o csv"});
  const auto options = std::make_shared<WorkerListOptions>();
  AddOutput(list, options->output,
            {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv, OutputFormat::kYaml});
  AddController(list, context);
  SetAction(list, context, [options, &context] { return ListWorkers(context, *options); });
}

}  // namespace layernas::client
