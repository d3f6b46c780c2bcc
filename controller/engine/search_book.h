// The searches that the engine has, by id, name, request and evaluation key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "controller/core/search.h"
#include "controller/storage/records.h"

namespace layernas {

// What goes into the tokens of a search: the store's lineage and what is the search's own, its spec and when it was
// created. A store that is put back to a plain copy of its files keeps its lineage, and gives other searches the same
// numbers.
std::uint64_t TokenLineage(std::uint64_t store_lineage, const storage::StoredSearch& search);

struct SearchEntry {
  std::uint64_t id() const { return stored.id; }
  bool IsBroken() const { return search == nullptr; }
  bool IsOpen() const { return search != nullptr && !core::IsFinal(search->state()); }

  storage::StoredSearch stored;
  std::string name;
  // TokenLineage(), noted when it is first asked for.
  mutable std::uint64_t token_lineage = 0;
  // Serialized.
  std::shared_ptr<const std::string> spec;
  // Shared with work under way beside the engine, which may outlive the entry. Null if this version cannot go on with
  // what is stored: it is shown, can be deleted, and stays as it is on the disk.
  std::shared_ptr<core::Search> search;
  // Where it is null: why, and how many candidates it has.
  std::string why_broken;
  std::map<core::CandidateState, std::size_t> broken_counts;
  // Of its latest change.
  std::uint64_t sequence = 0;
  // Of the oldest change that was not trimmed; 0 after a restart: the next trimming finds it out.
  std::uint64_t first_kept = 0;
  // Of the oldest candidate whose log was not trimmed; 1 after a restart: the next trimming begins anew.
  std::uint64_t first_logged = 1;
  // By kind of task, those whose evaluator failed since one succeeded anywhere; at most two. A lost worker says nothing
  // of the search.
  std::map<core::TaskKind, std::set<std::string>> failing_workers;
};

// Entries stay where they are. Not thread-safe.
class SearchBook {
 public:
  // The next id, never given twice, not even after the search was deleted.
  std::uint64_t next_id() const { return next_id_; }
  void set_next_id(std::uint64_t id) { next_id_ = id; }
  std::uint64_t TakeId() { return next_id_++; }

  // A complete entry, of an id that is not in the book.
  SearchEntry& Add(SearchEntry entry);
  // It has ended.
  void Close(std::uint64_t id) { open_.erase(id); }
  void Remove(std::uint64_t id);

  // INVALID_ARGUMENT or NOT_FOUND.
  absl::StatusOr<SearchEntry*> Find(const std::string& name);
  // Null if there is none.
  SearchEntry* Find(std::uint64_t id);
  // 0 if there is none.
  std::uint64_t OfRequest(const std::string& request_id) const;
  // Those that can use each other's results.
  const std::set<std::uint64_t>& SameEvaluation(const std::string& key) const;

  // What a caller has. O(searches).
  struct Owned {
    std::size_t open = 0;
    std::size_t spec_bytes = 0;
  };
  Owned OwnedBy(const std::string& owner) const;

  const std::map<std::uint64_t, SearchEntry>& all() const { return all_; }
  // Those that have not ended.
  const std::map<std::uint64_t, SearchEntry*>& open() const { return open_; }

 private:
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, SearchEntry> all_;
  std::map<std::uint64_t, SearchEntry*> open_;
  std::map<std::string, std::uint64_t> of_request_;
  std::map<std::string, std::set<std::uint64_t>> same_evaluation_;
};

}  // namespace layernas
