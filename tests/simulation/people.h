// The users of a simulated world: they submit and change searches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layernas/v1/spec.pb.h"
#include "tests/simulation/controller.h"
#include "tests/simulation/draw.h"

namespace layernas::simulation {

class People {
 public:
  People(std::uint64_t seed, int evaluators, Story& story, Configs& configs, Controller& controller)
      : draw_({seed, 0x9e}), evaluators_(evaluators), story_(story), configs_(configs), controller_(controller) {}

  // Submits the searches that are wanted and not yet confirmed. Like all calls, does nothing while
  // no controller runs.
  void SubmitWanted();
  void Want(const v1::SearchSpec& spec);
  void WantAnother() { Want(DrawAnother()); }
  // Does one random user action to a random search.
  void Meddle();
  // Resumes all paused searches.
  void ResumeAll();
  // The controller's disk was replaced: lost searches are wanted again, some of them with changes.
  void LookAgain();
  // Returns true if all wanted searches are confirmed.
  bool IsAllSubmitted() const;
  // Returns the serialized spec of a random search, or nothing if there is none.
  std::optional<std::string> PickSpec();

 private:
  struct Wanted {
    v1::SearchSpec spec;
    std::string request_id;
    // Set when the search is confirmed.
    std::optional<std::string> name;
    // True: nobody wants the search any more.
    bool is_over = false;
  };

  v1::SearchSpec DrawAnother();
  void Change(const std::string& name);
  void Read(const std::string& name);
  Reply<SearchView> Told(const std::string& what, const std::string& name);

  Draw draw_;
  const int evaluators_;
  Story& story_;
  Configs& configs_;
  Controller& controller_;
  std::uint64_t requests_ = 0;
  std::vector<Wanted> wanted_;
};

}  // namespace layernas::simulation
