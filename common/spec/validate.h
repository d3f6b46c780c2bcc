// Validation of search specs beyond their types. The client uses it and adds file and line; the
// controller uses it because it does not trust clients.
#pragma once

#include <string>
#include <vector>

#include "layernas/v1/search_service.pb.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

struct Violation {
  // Path in the spec, as in YAML: "space.layers[2].options[0].name". Empty for the whole spec.
  std::string field;
  // The mistake and what to do, without the path: "must be at least 1, is -3".
  std::string message;
};

// Returns all mistakes, but at most 1,000, in the order of the fields of the spec. Empty if the
// spec is valid.
std::vector<Violation> ValidateSpec(const v1::SearchSpec& spec);

// Returns the mistakes in the sharing of a search. Field names are relative to `sharing`.
std::vector<Violation> ValidateSharing(const v1::Sharing& sharing);

// Returns the spec with the defaults of all unset fields (see the comments of spec.proto).
// Idempotent.
v1::SearchSpec WithDefaults(v1::SearchSpec spec);

// Returns true if every option of every layer has the cost of the objective, so that the cost of an
// architecture is known without training.
bool CostIsPerLayer(const v1::SearchSpec& spec);

// Returns the size of the search. The spec must be valid.
v1::SpecSummary Summarize(const v1::SearchSpec& spec);

}  // namespace layernas::spec
