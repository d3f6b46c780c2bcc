// Single calls of a user: made one at a time, and timed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "benchmarks/controller/latencies.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::bench {

// Returns the new search.
absl::StatusOr<v1::Search> CreateSearch(const std::string& address, const v1::SearchSpec& spec);
absl::StatusOr<v1::Search> GetSearch(const std::string& address, const std::string& name);

struct Pages {
  Latencies latencies;
  std::size_t largest_bytes = 0;
};

// Reads `count` pages of that size one after the other. Reading walks through the search's
// candidates and starts again after the last page.
absl::StatusOr<Pages> ReadPages(const std::string& address, const std::string& search, int page_size, int count);

}  // namespace layernas::bench
