// Checks that a search ended when and how its spec says.
#pragma once

#include <functional>
#include <string>

#include "tests/simulation/book.h"

namespace layernas::simulation {

// Returns what was leased beyond the spec's budget; empty if nothing was.
std::string WhyOverBudget(const Book::Search& search);

// Returns why the search, which has just ended, should have continued, or why its reason is wrong.
// Empty if all is well.
std::string WhyEndedWrongly(const Book::Search& search, SteadyTime now, const Book::OthersFit& others_fit);

}  // namespace layernas::simulation
