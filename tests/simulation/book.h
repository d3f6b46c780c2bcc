// What the disk of a simulated controller holds, as its commits are seen from outside, and what must be true of it.
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

// Configurations by serialized spec: a world parses each but once. The result never is an error here; specs are drawn
// valid.
class Configs {
 public:
  const core::SearchConfig& Of(const std::string& spec);

 private:
  std::map<std::string, std::unique_ptr<core::SearchConfig>> configs_;
};

// The records that a batch puts, and the searches that it deletes.
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
    // When the first lease was written, and the last record.
    std::optional<SteadyTime> started;
    SteadyTime changed;
    // No statement about its time can be made: the clock was set while nobody watched it.
    bool time_is_unknown = false;

    bool IsOpen() const { return !core::IsFinal(stored.state); }
    std::size_t Under(core::CandidateState state) const;
  };
  // A result that a worker was told to be accepted.
  struct Accepted {
    std::uint64_t search = 0;
    std::uint64_t number = 0;
    int attempt = 0;
    std::map<std::string, double> metrics;
  };
  // Whether there are workers that could do the search's tasks besides this one, and have been there for so long.
  using OthersFit = std::function<bool(const Search& search, const std::string& worker, Millis for_so_long)>;

  Book(Configs& configs, Story& story, const Timeline& timeline)
      : configs_(configs), story_(story), timeline_(timeline) {}

  void set_others_fit(OthersFit others_fit) { others_fit_ = std::move(others_fit); }
  // Called for each first training that was begun, once that is written.
  void set_begun(std::function<void(const Search& search)> begun) { begun_ = std::move(begun); }

  // The records were made durable.
  void Written(const Records& records);
  // A controller starts on the store: what it holds must follow from what the book knows.
  void Restarted(const storage::Store& store);
  // Another history begins: a new store, or a copy made earlier.
  void Replaced(const storage::Store& store, std::vector<Accepted> accepted);
  // A worker is told so.
  void Tell(const LeaseToken& token, const std::map<std::string, double>& metrics);
  // A worker gives the lease back: it is under way no longer.
  void GivesBack(const LeaseToken& token) { given_back_.emplace(token.search, token.number, token.attempt); }
  // A person has asked for it: from now on the search may be gone.
  void MayDelete(std::uint64_t search) { may_be_deleted_.insert(search); }
  // Nothing that was accepted is gone.
  void CheckAccepted() const;
  void TimeIsUnknown();

  const std::map<std::uint64_t, Search>& searches() const { return searches_; }
  const std::vector<Accepted>& accepted() const { return accepted_; }
  // Leases that were lost in this history, in all searches.
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
  // Search, candidate and attempt of leases.
  std::set<std::tuple<std::uint64_t, std::uint64_t, int>> given_back_;
  int lost_leases_ = 0;
  // Whose search record was put by the records at hand.
  std::set<std::uint64_t> ended_now_;
};

}  // namespace layernas::simulation
