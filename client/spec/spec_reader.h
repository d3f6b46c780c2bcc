// Spec files: YAML in, SearchSpec and every mistake out, each with its place in the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/spec/mistake.h"
#include "common/spec/validate.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct SpecFile {
  // As it is called in messages.
  std::string name;
  // Complete only where there is no mistake.
  v1::SearchSpec spec;
  FieldPositions positions;
  // In the order of the file.
  std::vector<Mistake> mistakes;

  bool ok() const { return mistakes.empty(); }
};

// Checks the form and, as far as that goes, the meaning (common/spec). `path` "-" reads standard input. At most 4 MiB.
// `cost_table`, where it is not empty, is the file of a table whose costs are written into the spec (cost_table.h).
SpecFile ReadSpecFile(const std::string& path, const std::string& cost_table = "");
// The same for text at hand; `name` is that of the file for messages.
SpecFile ReadSpecText(std::string name, std::string_view text, const std::string& cost_table = "");

// Gives a violation found by someone else its place.
Mistake Locate(const SpecFile& file, const spec::Violation& violation);

}  // namespace layernas::client
