// Suggestions of the form "did you mean …?".
#pragma once

#include <string>
#include <vector>

namespace layernas {

// Returns "; did you mean 'channels'?" if one of the words is similar, otherwise an empty text.
std::string DidYouMean(const std::string& written, const std::vector<std::string>& words);

}  // namespace layernas
