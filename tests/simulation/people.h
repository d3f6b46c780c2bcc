// The people of a simulated world: they submit searches, and meddle.
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

  // Submits what is wanted and was not confirmed yet. While no controller runs nothing happens, as in all calls.
  void SubmitWanted();
  void Want(const v1::SearchSpec& spec);
  void WantAnother() { Want(DrawAnother()); }
  // One thing that people do, to a search that is drawn.
  void Meddle();
  // Resumes what is paused.
  void ResumeAll();
  // The controller's disk was replaced: what is gone is wanted again, some of it otherwise.
  void LookAgain();
  // All that is wanted was confirmed.
  bool IsAllSubmitted() const;
  // The serialized spec of a search that is drawn; none if there is none.
  std::optional<std::string> PickSpec();

 private:
  struct Wanted {
    v1::SearchSpec spec;
    std::string request_id;
    // Once confirmed.
    std::optional<std::string> name;
    // Somebody wants it no more.
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
