#include <map>
#include <memory>
#include <string>

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
  if (options.output == OutputFormat::kJson) {
    JsonList list(out, "workers");
    for (const v1::WorkerStatus& worker : all.workers()) list.Add(worker);
    return ExitCode::kOk;
  }
  Table table({"worker", "busy", "slots", "labels", "version", "heard from"});
  for (const v1::WorkerStatus& worker : all.workers()) {
    Cell heard = Cell::Text(FormatElapsed(std::chrono::seconds(worker.since_heard().seconds())) + " ago");
    heard.exact = std::to_string(worker.since_heard().seconds());
    table.AddRow({Cell::Text(worker.info().id()), Cell::Count(worker.candidates_size()),
                  Cell::Count(worker.info().slots()), Cell::Text(LabelsText(worker.info())),
                  Cell::Text(worker.info().version()), heard});
  }
  if (options.output == OutputFormat::kCsv) {
    table.PrintCsv(out);
  } else if (table.empty()) {
    out << "no workers: start some with 'layernas-worker --controller " << connection->address() << "'\n";
  } else {
    table.Print(out, context.terminal.color);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddWorkerCommands(CLI::App& app, CommandContext& context) {
  CLI::App& worker = AddCommand(app, "worker", "See who is working", {});
  worker.require_subcommand(1);
  CLI::App& list = AddCommand(worker, "list", "List the workers that were heard from lately",
                              {"layernas worker list", "layernas worker list -o csv"});
  const auto options = std::make_shared<WorkerListOptions>();
  AddOutput(list, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv});
  AddController(list, context);
  SetAction(list, context, [options, &context] { return ListWorkers(context, *options); });
}

}  // namespace layernas::client
