#include "controller/spec/evaluation_key.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "common/security/sha256.h"

namespace layernas {

std::string EvaluationKey(const v1::SearchSpec& spec) {
  // The parts that an evaluator sees, and the workers that it needs. Known costs and default
  // options concern only the search itself.
  v1::SearchSpec seen;
  if (spec.space().has_network()) *seen.mutable_space()->mutable_network() = spec.space().network();
  for (const v1::Layer& layer : spec.space().layers()) {
    v1::Layer& seen_layer = *seen.mutable_space()->add_layers();
    seen_layer = layer;
    seen_layer.clear_default_();
    for (v1::Option& option : *seen_layer.mutable_options()) option.clear_costs();
  }
  *seen.mutable_evaluation()->mutable_train() = spec.evaluation().train();
  *seen.mutable_evaluation()->mutable_measure() = spec.evaluation().measure();
  *seen.mutable_evaluation()->mutable_require() = spec.evaluation().require();
  *seen.mutable_evaluation()->mutable_measure_on() = spec.evaluation().measure_on();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    // Equal maps must give equal bytes.
    coded.SetSerializationDeterministic(true);
    seen.SerializeToCodedStream(&coded);
  }
  const security::Digest digest = security::Sha256(bytes);
  return {digest.begin(), digest.end()};
}

}  // namespace layernas
