// "did you mean …?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace layernas::client {

// "; did you mean 'channels'?" where one of the words is close enough to be what was meant, otherwise empty.
std::string DidYouMean(std::string_view written, const std::vector<std::string>& words);

}  // namespace layernas::client
