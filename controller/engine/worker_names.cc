#include "controller/engine/worker_names.h"

#include <algorithm>

namespace layernas {
namespace {

// Of an instance, in a name.
constexpr std::size_t kInstanceShown = 6;
// Remembered under one id: one that is restarted all the time does not fill the memory.
constexpr std::size_t kMaxFollowed = 100;

}  // namespace

WorkerNames::Heard WorkerNames::Hear(const std::string& id, const std::string& instance) {
  if (instance.empty()) return {id};
  Processes& known = by_id_[id];
  if (known.current == instance) return {id};
  if (const auto named = known.names.find(instance); named != known.names.end()) return {named->second};
  if (known.followed.erase(instance) > 0) {
    return {known.names.emplace(instance, OwnName(known, id, instance)).first->second, true};
  }
  // Most likely the worker was restarted.
  if (known.followed.size() >= kMaxFollowed) known.followed.clear();
  if (!known.current.empty()) known.followed.insert(known.current);
  known.current = instance;
  return {id};
}

std::string WorkerNames::NameOf(const std::string& id, const std::string& instance) const {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return id;
  const Processes& processes = known->second;
  if (const auto named = processes.names.find(instance); named != processes.names.end()) return named->second;
  return processes.followed.contains(instance) ? OwnName(processes, id, instance) : id;
}

std::string WorkerNames::OwnName(const Processes& known, const std::string& id, const std::string& instance) {
  std::string name = id + "~" + instance.substr(0, kInstanceShown);
  const bool is_taken =
      std::any_of(known.names.begin(), known.names.end(), [&name](const auto& one) { return one.second == name; });
  return is_taken ? id + "~" + instance : name;
}

void WorkerNames::ForgetName(const std::string& id, const std::string& name) {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return;
  if (name == id) {
    known->second.current.clear();
    known->second.followed.clear();
  } else {
    std::erase_if(known->second.names, [&name](const auto& one) { return one.second == name; });
  }
  Tidy(id);
}

void WorkerNames::ForgetFollowed(const std::string& id, const std::string& instance) {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return;
  known->second.followed.erase(instance);
  Tidy(id);
}

void WorkerNames::Tidy(const std::string& id) {
  const Processes& known = by_id_.at(id);
  if (known.current.empty() && known.followed.empty() && known.names.empty()) by_id_.erase(id);
}

}  // namespace layernas
