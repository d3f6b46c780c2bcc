// Whether a search ended when and as its spec says.
#pragma once

#include <functional>
#include <string>

#include "tests/simulation/book.h"

namespace layernas::simulation {

// Returns what was handed out beyond what the spec allows; empty if nothing was.
std::string WhyOverBudget(const Book::Search& search);

// Returns why the search, which has just ended, should have gone on, or why its reason is wrong; empty if all is well.
std::string WhyEndedWrongly(const Book::Search& search, SteadyTime now, const Book::OthersFit& others_fit);

}  // namespace layernas::simulation
