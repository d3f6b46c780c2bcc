// The engine's searches by id, name, request and evaluation key.
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

// Returns the lineage for the tokens of a search. It combines the store's lineage with the search's
// spec and creation time. This is necessary because a store that is restored from a plain copy of
// its files keeps its lineage and gives the same numbers to other searches.
std::uint64_t TokenLineage(std::uint64_t store_lineage, const storage::StoredSearch& search);

struct SearchEntry {
  std::uint64_t id() const { return stored.id; }
  bool IsBroken() const { return search == nullptr; }
  bool IsOpen() const { return search != nullptr && !core::IsFinal(search->state()); }
  // FAILED for a search that this version cannot continue.
  core::SearchState state() const;

  storage::StoredSearch stored;
  std::string name;
  // TokenLineage(), cached on first use.
  mutable std::uint64_t token_lineage = 0;
  // Serialized.
  std::shared_ptr<const std::string> spec;
  // Shared with computations beside the engine, which may outlive the entry. Null if this version
  // cannot continue the stored search: then it can be shown and deleted, and its data stays
  // unchanged.
  std::shared_ptr<core::Search> search;
  // If `search` is null: the reason, and the number of candidates.
  std::string why_broken;
  std::map<core::CandidateState, std::size_t> broken_counts;
  // Sequence number of the latest change.
  std::uint64_t sequence = 0;
  // Sequence number of the oldest change that is still kept; 0 after a restart until the next
  // trimming.
  std::uint64_t first_kept = 0;
  // Number of the oldest candidate whose log is still kept; 1 after a restart until the next
  // trimming.
  std::uint64_t first_logged = 1;
  // By kind of task: workers whose evaluator failed since an evaluator last succeeded on any
  // worker; at most two. Lost workers are not included, because they say nothing about the search.
  std::map<core::TaskKind, std::set<std::string>> failing_workers;
};

// Entries have stable addresses. Not thread-safe.
class SearchBook {
 public:
  // Returns the next id. An id is never used twice, even after its search was deleted.
  std::uint64_t next_id() const { return next_id_; }
  void set_next_id(std::uint64_t id) { next_id_ = id; }
  std::uint64_t TakeId() { return next_id_++; }

  // Adds a complete entry. Its id must not be in the book.
  SearchEntry& Add(SearchEntry entry);
  // Call it when the search has ended.
  void Close(std::uint64_t id) { open_.erase(id); }
  void Remove(std::uint64_t id);
  // Adds the time of the store to the times that lack it, and returns the searches with such times.
  std::set<std::uint64_t> AddTime(Millis added);

  // Returns INVALID_ARGUMENT or NOT_FOUND on errors.
  absl::StatusOr<SearchEntry*> Find(const std::string& name);
  // Returns null if there is none.
  SearchEntry* Find(std::uint64_t id);
  // Returns 0 if there is none.
  std::uint64_t OfRequest(const std::string& request_id) const;
  // Returns the searches that can use each other's results.
  const std::set<std::uint64_t>& SameEvaluation(const std::string& key) const;

  // What a caller has. Computing it is O(searches).
  struct Owned {
    std::size_t open = 0;
    std::size_t spec_bytes = 0;
  };
  Owned OwnedBy(const std::string& owner) const;

  const std::map<std::uint64_t, SearchEntry>& all() const { return all_; }
  // Returns the searches that have not ended.
  const std::map<std::uint64_t, SearchEntry*>& open() const { return open_; }

 private:
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, SearchEntry> all_;
  std::map<std::uint64_t, SearchEntry*> open_;
  std::map<std::string, std::uint64_t> of_request_;
  std::map<std::string, std::set<std::uint64_t>> same_evaluation_;
};

}  // namespace layernas
