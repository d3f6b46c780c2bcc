// "did you mean …?"
#pragma once

#include <string>
#include <vector>

namespace layernas {

// "; did you mean 'channels'?" where one of the words is close enough to be what was meant, otherwise empty.
std::string DidYouMean(const std::string& written, const std::vector<std::string>& words);

}  // namespace layernas
