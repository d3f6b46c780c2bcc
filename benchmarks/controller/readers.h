// Programs of users beside the load: watches of a search, and reads of its candidates.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "benchmarks/controller/event_loop.h"
#include "benchmarks/controller/latencies.h"

namespace layernas::bench {

struct ReaderOptions {
  std::string search;
  int watches = 0;
  // Pages of 100 candidates per second.
  double pages = 0;
};

// Reads from construction to destruction, while the loop runs.
class Readers {
 public:
  Readers(EventLoop& loop, ReaderOptions options);
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // Number of messages on all watches. A broken watch is not opened again.
  std::uint64_t watched() const { return watched_; }
  int broken_watches() const { return broken_; }
  const Latencies& pages() const { return pages_; }

 private:
  void ReadPage();

  EventLoop& loop_;
  const ReaderOptions options_;
  std::string page_token_;
  std::uint64_t watched_ = 0;
  int broken_ = 0;
  Latencies pages_;
  // Callbacks that come after destruction see that it is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace layernas::bench
