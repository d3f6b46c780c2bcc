// Mistakes in a spec file, with their positions.
#pragma once

#include <string>
#include <unordered_map>

namespace layernas::client {

// Counted from 1. Line 0 means the whole file.
struct Position {
  int line = 0;
  int column = 0;
};

struct Mistake {
  Position position;
  // Path in the spec, such as "space.layers[2].name"; can be empty.
  std::string field;
  std::string message;
};

// For example "spec.yaml:12:9: space.layers[2].chanels: unknown field; did you mean 'channels'?"
std::string FormatMistake(const std::string& file, const Mistake& mistake);

// The positions of the fields of a spec in its file.
class FieldPositions {
 public:
  void Add(const std::string& field, Position position) { positions_.emplace(field, position); }
  bool Contains(const std::string& field) const { return positions_.contains(field); }
  // Returns the position of the field, or of the closest existing field that contains it.
  Position Find(std::string field) const;

 private:
  std::unordered_map<std::string, Position> positions_;
};

// Returns the path of the containing field: "space.layers[2]" for "space.layers[2].name", then
// "space.layers"; "" at the end.
std::string ContainerOf(const std::string& field);

}  // namespace layernas::client
