// Manual pages.
#pragma once

#include <string>
#include <vector>

#include "client/reference/command_tree.h"

namespace layernas::client {

struct ManPage {
  // For example "layernas-search-submit.1".
  std::string file;
  // Source text for groff's man macros.
  std::string text;
};

// Returns one page per command.
std::vector<ManPage> ManPages(const std::vector<CommandInfo>& tree, const std::string& version);

}  // namespace layernas::client
