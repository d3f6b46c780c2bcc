#include "controller/engine/search_book.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "controller/engine/names.h"

namespace layernas {
namespace {

// FNV-1a (Fowler, Noll, Vo), 64 bits: the same in every build.
std::uint64_t HashBytes(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash;
}

}  // namespace

std::uint64_t TokenLineage(std::uint64_t store_lineage, const storage::StoredSearch& search) {
  // Never 0, which means none.
  return MixKey({store_lineage, static_cast<std::uint64_t>(search.created), HashBytes(search.spec)}) | 1;
}

core::SearchState SearchEntry::state() const {
  if (!IsBroken()) return search->state();
  return core::IsFinal(stored.state) ? stored.state : core::SearchState::kFailed;
}

SearchEntry& SearchBook::Add(SearchEntry entry) {
  const std::uint64_t id = entry.id();
  SearchEntry& added = all_.emplace(id, std::move(entry)).first->second;
  if (added.IsOpen()) open_[id] = &added;
  if (!added.stored.request_id.empty()) of_request_[added.stored.request_id] = id;
  if (!added.IsBroken()) same_evaluation_[added.search->config().evaluation_key].insert(id);
  return added;
}

std::set<std::uint64_t> SearchBook::AddTime(Millis added) {
  std::set<std::uint64_t> changed;
  for (auto& [id, entry] : all_) {
    storage::StoredSearch& stored = entry.stored;
    if (!stored.start_is_early && !stored.end_is_early) continue;
    if (std::exchange(stored.start_is_early, false)) stored.start_store_time += added.count();
    if (std::exchange(stored.end_is_early, false)) stored.end_store_time += added.count();
    changed.insert(id);
  }
  return changed;
}

void SearchBook::Remove(std::uint64_t id) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  const SearchEntry& entry = found->second;
  if (OfRequest(entry.stored.request_id) == id) of_request_.erase(entry.stored.request_id);
  if (!entry.IsBroken()) {
    const auto same = same_evaluation_.find(entry.search->config().evaluation_key);
    same->second.erase(id);
    if (same->second.empty()) same_evaluation_.erase(same);
  }
  open_.erase(id);
  all_.erase(found);
}

absl::StatusOr<SearchEntry*> SearchBook::Find(const std::string& name) {
  const std::optional<ParsedSearchName> parsed = ParseSearchName(name);
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is not the name of a search: expected searches/{name}-{number}"));
  }
  SearchEntry* entry = Find(parsed->id);
  if (entry == nullptr || entry->name != name) return absl::NotFoundError(absl::StrCat("there is no search ", name));
  return entry;
}

SearchEntry* SearchBook::Find(std::uint64_t id) {
  const auto found = all_.find(id);
  return found == all_.end() ? nullptr : &found->second;
}

std::uint64_t SearchBook::OfRequest(const std::string& request_id) const {
  const auto found = of_request_.find(request_id);
  return found == of_request_.end() ? 0 : found->second;
}

const std::set<std::uint64_t>& SearchBook::SameEvaluation(const std::string& key) const {
  static const std::set<std::uint64_t> kNone;
  const auto found = same_evaluation_.find(key);
  return found == same_evaluation_.end() ? kNone : found->second;
}

SearchBook::Owned SearchBook::OwnedBy(const std::string& owner) const {
  Owned owned;
  for (const auto& [id, entry] : all_) {
    if (entry.stored.owner != owner) continue;
    if (entry.IsOpen()) ++owned.open;
    owned.spec_bytes += entry.stored.spec.size();
  }
  return owned;
}

}  // namespace layernas
