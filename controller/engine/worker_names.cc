#include "controller/engine/worker_names.h"

#include "absl/strings/str_cat.h"
#include "common/base/utf8.h"

namespace layernas {
namespace {

// Bytes of the instance that are used in a name.
constexpr std::size_t kInstanceShown = 6;
// Maximum remembered processes per id, so a worker that restarts all the time does not fill the
// memory.
constexpr std::size_t kMaxFollowed = 100;

std::string ShortName(const std::string& id, const std::string& instance) {
  return absl::StrCat(id, "~", CutUtf8(instance, kInstanceShown));
}

std::string LongName(const std::string& id, const std::string& instance) { return absl::StrCat(id, "~", instance); }

}  // namespace

WorkerNames::Heard WorkerNames::Hear(const std::string& id, const std::string& instance, IdOf id_of) {
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    const auto named = known->second.names.find(instance);
    if (named != known->second.names.end()) return {named->second};
  }
  if (IsAnothers(id, id_of)) return {by_id_[id].names.emplace(instance, OwnName(id, instance, id_of)).first->second};
  if (instance.empty()) return {id};
  Processes& known = by_id_[id];
  if (known.current == instance) return {id};
  if (known.followed.erase(instance) > 0) {
    return {known.names.emplace(instance, OwnName(id, instance, id_of)).first->second, true};
  }
  // The worker was probably restarted.
  if (known.followed.size() >= kMaxFollowed) known.followed.clear();
  if (!known.current.empty()) known.followed.insert(known.current);
  known.current = instance;
  return {id};
}

std::string WorkerNames::NameOf(const std::string& id, const std::string& instance, IdOf id_of) const {
  const auto known = by_id_.find(id);
  bool is_followed = false;
  if (known != by_id_.end()) {
    const auto named = known->second.names.find(instance);
    if (named != known->second.names.end()) return named->second;
    is_followed = known->second.followed.contains(instance);
  }
  return is_followed || IsAnothers(id, id_of) ? OwnName(id, instance, id_of) : id;
}

bool WorkerNames::IsAnothers(const std::string& id, IdOf id_of) {
  const std::string* const holder = id_of(id);
  return holder != nullptr && *holder != id;
}

std::vector<std::string> WorkerNames::FormerNames(const std::string& id, const std::string& instance) {
  if (instance.empty()) return {id};
  return {id, ShortName(id, instance), LongName(id, instance)};
}

std::string WorkerNames::OwnName(const std::string& id, const std::string& instance, IdOf id_of) {
  std::string name = ShortName(id, instance);
  if (id_of(name) != nullptr) name = LongName(id, instance);
  for (int number = 2; id_of(name) != nullptr; ++number) name = absl::StrCat(LongName(id, instance), "~", number);
  return name;
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
