// A client that follows a search by its changes, as `layernas search watch` does.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/simulation/controller.h"

namespace layernas::simulation {

// Tracks candidates by their changes, across restarts and restored backups.
class FeedReader {
 public:
  FeedReader(std::string name, Story& story, Controller& controller)
      : name_(std::move(name)), story_(story), controller_(controller) {}

  // Requests the changes, unless it already waits for an answer.
  void Read();
  // The controller died, so no answer will arrive.
  void Forget() { ++call_, is_waiting_ = false; }
  // Checks that its last state equals the disk. Call this after it has had time to read everything.
  void Check() const;
  const std::string& name() const { return name_; }

 private:
  void Take(const ChangesView& view);

  const std::string name_;
  Story& story_;
  Controller& controller_;
  bool is_waiting_ = false;
  std::uint64_t call_ = 0;
  bool is_gone_ = false;
  std::uint64_t after_ = 0;
  std::map<std::uint64_t, core::Candidate> heard_;
};

}  // namespace layernas::simulation
