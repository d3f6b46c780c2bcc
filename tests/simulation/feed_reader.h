// Somebody who follows a search by its changes, as `layernas search watch` does.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/simulation/controller.h"

namespace layernas::simulation {

// Keeps candidates as the changes tell them, across restarts and restored backups.
class FeedReader {
 public:
  FeedReader(std::string name, Story& story, Controller& controller)
      : name_(std::move(name)), story_(story), controller_(controller) {}

  // Asks for what is new, unless it waits for an answer.
  void Read();
  // The controller died: no answer comes any more.
  void Forget() { ++call_, is_waiting_ = false; }
  // What it heard last is what is on the disk. To be called once it has had time to read all.
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
