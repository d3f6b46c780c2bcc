// The contents of a simulated controller's disk, recorded from its commits, and the invariants that
// they must fulfil.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/search_config.h"
#include "controller/engine/names.h"
#include "controller/storage/store.h"
#include "tests/simulation/story.h"

namespace layernas::simulation {

// Search configurations by serialized spec, so that a world parses each spec once. The result is
// never an error here, because specs are drawn valid.
class Configs {
 public:
  const core::SearchConfig& Of(const std::string& spec);

 private:
  std::map<std::string, std::unique_ptr<core::SearchConfig>> configs_;
};

// The records that a batch writes, and the searches that it deletes.
struct Records {
  std::vector<storage::StoredSearch> searches;
  std::vector<std::pair<std::uint64_t, core::Candidate>> candidates;
  std::vector<std::uint64_t> deleted;
};
Records RecordsOf(const storage::Batch& batch);

class Book {
 public:
  struct Search {
    storage::StoredSearch stored;
    const core::SearchConfig* config = nullptr;
    std::uint64_t evaluator = 0;
    // By number - 1.
    std::deque<core::Candidate> candidates;
    // First trainings, by architecture.
    std::map<core::Architecture, std::uint64_t> firsts;
    // The times at which the first lease and the last record were written.
    std::optional<SteadyTime> started;
    SteadyTime changed;
    // True: nothing is known about its time, because the clock was set while nobody observed it.
    bool time_is_unknown = false;

    bool IsOpen() const { return !core::IsFinal(stored.state); }
    std::size_t Under(core::CandidateState state) const;
  };
  // A result that a worker was told is accepted.
  struct Accepted {
    std::uint64_t search = 0;
    std::uint64_t number = 0;
    int attempt = 0;
    std::map<std::string, double> metrics;
  };
  // Returns true if other workers could do the search's tasks, and have existed for that long.
  using OthersFit = std::function<bool(const Search& search, const std::string& worker, Millis for_so_long)>;

  Book(Configs& configs, Story& story, const Timeline& timeline)
      : configs_(configs), story_(story), timeline_(timeline) {}

  void set_others_fit(OthersFit others_fit) { others_fit_ = std::move(others_fit); }
  // Called for each first training that was started, after it is written.
  void set_begun(std::function<void(const Search& search)> begun) { begun_ = std::move(begun); }

  // The records are durable.
  void Written(const Records& records);
  // A controller starts on the store, whose contents must match the book.
  void Restarted(const storage::Store& store);
  // Another history begins: a new store, or an earlier copy.
  void Replaced(const storage::Store& store, std::vector<Accepted> accepted);
  // A worker was told that its result is accepted.
  void Tell(const LeaseToken& token, const std::map<std::string, double>& metrics);
  // A worker returns the lease, which is no longer in progress.
  void GivesBack(const LeaseToken& token) { given_back_.emplace(token.search, token.number, token.attempt); }
  // A user has requested the deletion, so the search may disappear from now on.
  void MayDelete(std::uint64_t search) { may_be_deleted_.insert(search); }
  // Checks that no accepted result is lost.
  void CheckAccepted() const;
  // Nothing is known about the times of the searches that started since then.
  void TimeIsUnknown(SteadyTime since = {});

  const std::map<std::uint64_t, Search>& searches() const { return searches_; }
  const std::vector<Accepted>& accepted() const { return accepted_; }
  // The number of leases that were lost in this history, in all searches.
  int lost_leases() const { return lost_leases_; }

 private:
  void Put(const storage::StoredSearch& stored);
  void Put(std::uint64_t search, const core::Candidate& candidate);
  void Load(const storage::Store& store);
  void CheckChange(const Search& search, const core::Candidate& before, const core::Candidate& after);
  void CheckCandidate(const Search& search, const core::Candidate& candidate);
  void CheckGivenUp(const Search& search, const core::Candidate& candidate);
  std::string WhyLost(const Accepted& one) const;

  Configs& configs_;
  Story& story_;
  const Timeline& timeline_;
  OthersFit others_fit_;
  std::function<void(const Search& search)> begun_;
  std::map<std::uint64_t, Search> searches_;
  std::vector<Accepted> accepted_;
  std::set<std::uint64_t> may_be_deleted_;
  // The search, candidate and attempt of each returned lease.
  std::set<std::tuple<std::uint64_t, std::uint64_t, int>> given_back_;
  int lost_leases_ = 0;
  // The searches whose record the current records contain.
  std::set<std::uint64_t> ended_now_;
};

}  // namespace layernas::simulation
