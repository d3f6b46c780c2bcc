// YAML to protobuf by reflection, as the head of spec.proto describes it. The Python package (layernas/spec.py) reads
// the same; tests/corpus/specs.txt holds both to the same results.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "client/spec/mistake.h"

namespace layernas::client {

// Goes on after a mistake, so that all of them are found in one go.
class MessageReader {
 public:
  // Both must outlive the reader, and are added to.
  MessageReader(FieldPositions& positions, std::vector<Mistake>& mistakes)
      : positions_(positions), mistakes_(mistakes) {}

  // `path` is that of the message, "" for the spec itself. May throw YAML::Exception.
  void ReadMessage(const YAML::Node& node, const std::string& path, google::protobuf::Message& message);

 private:
  using Field = google::protobuf::FieldDescriptor;

  void ReadMapping(const YAML::Node& node, const std::string& path, google::protobuf::Message& message);
  void ReadField(const YAML::Node& node, const std::string& path, google::protobuf::Message& message,
                 const Field& field);
  void ReadList(const YAML::Node& node, const std::string& path, google::protobuf::Message& message,
                const Field& field);
  void ReadMap(const YAML::Node& node, const std::string& path, google::protobuf::Message& message, const Field& field);
  // One value: of a singular field, or one more of a repeated one.
  void ReadOne(const YAML::Node& node, const std::string& path, google::protobuf::Message& message, const Field& field);
  void ReadScalar(const YAML::Node& node, const std::string& path, google::protobuf::Message& message,
                  const Field& field);
  void ReadDuration(const YAML::Node& node, const std::string& path, google::protobuf::Message& message);
  void ReadStruct(const YAML::Node& node, const std::string& path, google::protobuf::Struct& fields);
  void ReadValue(const YAML::Node& node, const std::string& path, google::protobuf::Value& value);

  // Calls visit(key, value, path of the value) for each entry with a usable key, once per key. False if `node` is not a
  // mapping; what is expected then is for the caller to say.
  template <typename Visit>
  bool ForEachEntry(const YAML::Node& node, const std::string& path, Visit visit);

  // False (and a mistake) when the file nests too deeply or, through aliases, holds too much, or the value has a tag.
  bool Enter(const YAML::Node& node, const std::string& path);
  void Fail(const YAML::Node& node, const std::string& path, std::string message);

  FieldPositions& positions_;
  std::vector<Mistake>& mistakes_;
  int depth_ = 0;
  int values_ = 0;
};

}  // namespace layernas::client
