// Names of enum values in specs.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace layernas::spec {

// Returns linear for BUCKET_SCALE_LINEAR of BucketScale.
std::string NameInYaml(const google::protobuf::EnumValueDescriptor& value);

}  // namespace layernas::spec
