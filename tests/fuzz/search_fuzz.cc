// Fuzzes a search with commands made of bytes (search_world.h), and checks its invariants after
// each. At a restart, candidates go through the encoding that is used on disk.
#include <gtest/gtest.h>

#include "controller/storage/records.h"
#include "tests/controller/core/search_world.h"
#include "tests/controller/support/draws.h"
#include "tests/fuzz/fuzz.h"

namespace layernas::core {
namespace {

Candidate WrittenAndRead(const Candidate& candidate) {
  const auto read = storage::DecodeCandidate(storage::Encode(candidate));
  FUZZ_CHECK(read.ok());
  return *read;
}

void RunOne(std::string_view bytes) {
  ByteDraws draws(bytes);
  RandomStream random({draws.Below(1 << 16)});
  SearchConfig config = RandomConfig(random);
  const bool cancels = draws.Below(4) == 0;
  World world(std::move(config), cancels, draws, WrittenAndRead);
  for (int after_the_end = 30; !draws.empty() && after_the_end > 0;) {
    world.Act();
    if (world.Over()) --after_the_end;
  }
  world.Finish();
}

}  // namespace
}  // namespace layernas::core

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // The world checks with GoogleTest's assertions. The first failed one ends the process.
  GTEST_FLAG_SET(break_on_failure, true);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layernas::core::RunOne(layernas::fuzz::View(data, size));
  return 0;
}
