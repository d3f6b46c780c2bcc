// What a search spec must satisfy beyond its types, shared by the client (which adds file and line) and the controller
// (which trusts no client).
#pragma once

#include <string>
#include <vector>

#include "layernas/v1/search_service.pb.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

struct Violation {
  // Path from the spec, as in YAML: "space.layers[2].options[0].name". Empty for the spec as a whole.
  std::string field;
  // What is wrong and what to do, without the path: "must be at least 1, is -3".
  std::string message;
};

// Every mistake (of a hopeless spec the first 1,000), in the order of the spec's fields; empty when the spec can be
// searched.
std::vector<Violation> ValidateSpec(const v1::SearchSpec& spec);

// The mistakes in what a search is to share the fleet by; fields are named without what the message is a part of.
std::vector<Violation> ValidateSharing(const v1::Sharing& sharing);

// The spec with every unset field that has a default set to it (spec.proto's comments). Idempotent.
v1::SearchSpec WithDefaults(v1::SearchSpec spec);

// True if every option of every layer has the objective's cost, so that the cost of an architecture is known untrained.
bool CostIsPerLayer(const v1::SearchSpec& spec);

// How large the search is. The spec must be valid.
v1::SpecSummary Summarize(const v1::SearchSpec& spec);

}  // namespace layernas::spec
