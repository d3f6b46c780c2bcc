#include "controller/engine/worker_names.h"

#include <algorithm>
#include <utility>

namespace layernas {
namespace {

// Of an instance, in a name.
constexpr std::size_t kInstanceShown = 6;
// Processes remembered under one id: one that is restarted all the time does not fill the memory.
constexpr std::size_t kMaxProcesses = 100;

}  // namespace

WorkerNames::Heard WorkerNames::Hear(const std::string& id, const std::string& instance) {
  if (instance.empty()) return {id};
  Processes& known = by_id_[id];
  if (known.current == instance) return {id};
  const auto found = known.names.find(instance);
  if (found == known.names.end()) {
    // Most likely the worker was restarted.
    if (known.names.size() >= kMaxProcesses) known.names.clear();
    if (!known.current.empty()) known.names.emplace(known.current, "");
    known.current = instance;
    return {id};
  }
  if (!found->second.empty()) return {found->second};
  known.names.erase(found);
  Heard heard{id};
  heard.renamed_instance = std::exchange(known.current, instance);
  if (heard.renamed_instance.empty()) return {id};
  heard.renamed = id + "~" + heard.renamed_instance.substr(0, kInstanceShown);
  known.names.emplace(heard.renamed_instance, heard.renamed);
  return heard;
}

std::string WorkerNames::NameOf(const std::string& id, const std::string& instance) const {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return id;
  const auto found = known->second.names.find(instance);
  return found == known->second.names.end() || found->second.empty() ? id : found->second;
}

void WorkerNames::Forget(const std::string& id, const std::string& instance) {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return;
  Processes& processes = known->second;
  if (processes.current == instance) processes.current.clear();
  processes.names.erase(instance);
  // Those that are there keep their names.
  if (processes.current.empty()) std::erase_if(processes.names, [](const auto& one) { return one.second.empty(); });
  if (processes.current.empty() && processes.names.empty()) by_id_.erase(known);
}

}  // namespace layernas
