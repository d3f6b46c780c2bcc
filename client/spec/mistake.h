// What is wrong with a spec file, and where.
#pragma once

#include <string>
#include <unordered_map>

namespace layernas::client {

// Counted from 1; line 0 means the file as a whole.
struct Position {
  int line = 0;
  int column = 0;
};

struct Mistake {
  Position position;
  // Path from the spec, "space.layers[2].name"; may be empty.
  std::string field;
  std::string message;
};

// "spec.yaml:12:9: space.layers[2].chanels: unknown field; did you mean 'channels'?"
std::string FormatMistake(const std::string& file, const Mistake& mistake);

// Where the fields of a spec stand in its file.
class FieldPositions {
 public:
  void Add(const std::string& field, Position position) { positions_.emplace(field, position); }
  bool Contains(const std::string& field) const { return positions_.contains(field); }
  // That of the field, or of the closest thing around it that is there.
  Position Find(std::string field) const;

 private:
  std::unordered_map<std::string, Position> positions_;
};

// "space.layers[2].name" is in "space.layers[2]", which is in "space.layers"; the last container is "".
std::string ContainerOf(const std::string& field);

}  // namespace layernas::client
