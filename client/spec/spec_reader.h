// Reads spec files: YAML in, SearchSpec and all mistakes with their positions out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/spec/mistake.h"
#include "common/spec/validate.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct SpecFile {
  // Name of the file in messages.
  std::string name;
  // Complete only if there are no mistakes.
  v1::SearchSpec spec;
  FieldPositions positions;
  // In the order of the file.
  std::vector<Mistake> mistakes;

  bool ok() const { return mistakes.empty(); }
};

// Checks the form and, if possible, the meaning (common/spec). A `path` of "-" reads standard
// input. Reads at most 4 MiB. If `cost_table` is not empty, its costs are written into the spec
// (cost_table.h).
SpecFile ReadSpecFile(const std::string& path, const std::string& cost_table = "");
// Reads text instead of a file; `name` is the file name in messages.
SpecFile ReadSpecText(std::string name, std::string_view text, const std::string& cost_table = "");

// Adds the position in the file to a violation.
Mistake Locate(const SpecFile& file, const spec::Violation& violation);

}  // namespace layernas::client
