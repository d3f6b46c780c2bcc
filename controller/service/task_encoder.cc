#include "controller/service/task_encoder.h"

#include <google/protobuf/wire_format_lite.h>

#include <string_view>

#include "common/spec/resolve.h"
#include "controller/service/convert.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {
namespace {

using google::protobuf::internal::WireFormatLite;

// Maximum for the layers of one spec.
constexpr std::size_t kMaxLayerBytes = 8 << 20;

void AppendVarint(std::uint32_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void AppendField(int field, std::string_view bytes, std::string& out) {
  AppendVarint(WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), out);
  AppendVarint(static_cast<std::uint32_t>(bytes.size()), out);
  out += bytes;
}

v1::Task ConstantPartOfTask(const v1::SearchSpec& spec) {
  v1::Task task;
  if (spec.space().has_network()) *task.mutable_network() = spec.space().network();
  *task.mutable_train() = spec.evaluation().train();
  *task.mutable_measure() = spec.evaluation().measure();
  *task.mutable_timeout() = spec.evaluation().timeout();
  task.set_report_epochs(spec.evaluation().has_early_stop());
  return task;
}

// Returns the constant part of the winners' full trainings.
v1::Task ConstantPartOfFinal(const v1::SearchSpec& spec) {
  v1::Task task = ConstantPartOfTask(spec);
  task.set_report_epochs(false);
  task.set_keep_weights(true);
  if (spec.final().has_epochs()) task.mutable_train()->set_epochs(spec.final().epochs());
  if (!spec.final().holdout().empty()) {
    (*task.mutable_train()->mutable_parameters()->mutable_fields())["holdout"].set_string_value(spec.final().holdout());
  }
  *task.mutable_timeout() = spec.final().timeout();
  return task;
}

}  // namespace

TaskEncoder::TaskEncoder(const std::string& serialized) : spec_(ParseSpec(serialized)) {
  task_ = ConstantPartOfTask(spec_).SerializeAsString();
  if (spec_.has_final()) final_task_ = ConstantPartOfFinal(spec_).SerializeAsString();
  bytes_ = spec_.SpaceUsedLong() + task_.size() + final_task_.size();
  std::size_t layer_bytes = 0;
  for (int i = 0; i < spec_.space().layers_size(); ++i) {
    std::vector<std::string>& options = layers_.emplace_back();
    const v1::Layer& layer = spec_.space().layers(i);
    for (const v1::Option& option : layer.options()) {
      AppendField(v1::Architecture::kLayersFieldNumber, spec::Choose(layer, option).SerializeAsString(),
                  options.emplace_back());
      layer_bytes += sizeof(std::string) + options.back().size();
      // Checked at once, because each option may contain all parameters of its layer.
      if (layer_bytes > kMaxLayerBytes) {
        layers_.clear();
        return;
      }
    }
  }
  bytes_ += layer_bytes;
}

void TaskEncoder::AppendTask(int field, const LeasedTask& task, Millis lease_duration, std::string& out) const {
  v1::Task own;
  own.set_lease_token(FormatLeaseToken(task.token));
  *own.mutable_lease_duration() = ToDuration(lease_duration);
  own.set_candidate(CandidateName(task.search_name, task.token.number));
  own.set_seed(task.seed);
  own.set_identity(task.identity);
  if (task.kind != core::TaskKind::kEvaluate) {
    own.set_work(task.kind == core::TaskKind::kMeasure ? v1::WORK_MEASURE : v1::WORK_TRAIN);
  }
  std::string bytes = own.SerializeAsString();
  bytes += task.is_final ? final_task_ : task_;
  std::string architecture;
  AppendArchitecture(task.architecture, architecture);
  AppendField(v1::Task::kArchitectureFieldNumber, architecture, bytes);
  AppendField(field, bytes, out);
}

void TaskEncoder::AppendArchitecture(const core::Architecture& architecture, std::string& out) const {
  if (layers_.empty()) {
    spec::Resolve(spec_.space(), architecture).AppendToString(&out);
    return;
  }
  AppendField(v1::Architecture::kIdFieldNumber, spec::FormatArchitectureId(spec_.space(), architecture), out);
  for (std::size_t i = 0; i < layers_.size(); ++i) out += layers_[i][architecture[i]];
}

}  // namespace layernas
