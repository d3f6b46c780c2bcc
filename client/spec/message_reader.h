// Converts YAML to protobuf by reflection, as described at the head of spec.proto. The Python
// package has the same reader (layernas/message_reader.py); tests compare both on
// tests/corpus/specs.txt.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "client/spec/mistake.h"

namespace layernas::client {

// Continues after a mistake, so that one pass finds all mistakes.
class MessageReader {
 public:
  // Both must outlive the reader, which appends to them.
  MessageReader(FieldPositions& positions, std::vector<Mistake>& mistakes)
      : positions_(positions), mistakes_(mistakes) {}

  // `path` is the path of the message, "" for the spec. Can throw YAML::Exception.
  void ReadMessage(const YAML::Node& node, const std::string& path, google::protobuf::Message& message);

 private:
  using Field = google::protobuf::FieldDescriptor;

  void ReadMapping(const YAML::Node& node, const std::string& path, google::protobuf::Message& message);
  void ReadField(const YAML::Node& node, const std::string& path, google::protobuf::Message& message,
                 const Field& field);
  void ReadList(const YAML::Node& node, const std::string& path, google::protobuf::Message& message,
                const Field& field);
  void ReadMap(const YAML::Node& node, const std::string& path, google::protobuf::Message& message, const Field& field);
  // Reads one value: of a singular field, or one item of a repeated field.
  void ReadOne(const YAML::Node& node, const std::string& path, google::protobuf::Message& message, const Field& field);
  void ReadScalar(const YAML::Node& node, const std::string& path, google::protobuf::Message& message,
                  const Field& field);
  void ReadDuration(const YAML::Node& node, const std::string& path, google::protobuf::Message& message);
  void ReadStruct(const YAML::Node& node, const std::string& path, google::protobuf::Struct& fields);
  void ReadValue(const YAML::Node& node, const std::string& path, google::protobuf::Value& value);

  // Calls visit(key, value, path of the value) for each entry with a valid key, once per key.
  // Returns false if `node` is not a mapping; the caller then reports what is expected.
  template <typename Visit>
  bool ForEachEntry(const YAML::Node& node, const std::string& path, Visit visit);

  // Returns false and adds a mistake if the file is nested too deeply, has too many values,
  // including aliases, or if the value has a tag.
  bool Enter(const YAML::Node& node, const std::string& path);
  void Fail(const YAML::Node& node, const std::string& path, std::string message);

  FieldPositions& positions_;
  std::vector<Mistake>& mistakes_;
  int depth_ = 0;
  int values_ = 0;
};

}  // namespace layernas::client
