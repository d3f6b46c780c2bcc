#include "controller/service/parsed_spec.h"

#include <google/protobuf/wire_format_lite.h>

#include <string_view>

#include "common/spec/resolve.h"
#include "controller/service/convert.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {
namespace {

using google::protobuf::internal::WireFormatLite;

// Of one spec's layers, and of all that is kept.
constexpr std::size_t kMostLayerBytes = 8 << 20;
constexpr std::size_t kMostBytes = 64 << 20;

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

// Of the winners' trainings in full.
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

ParsedSpec::ParsedSpec(const std::string& serialized) : spec_(ParseSpec(serialized)) {
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
      // At once: each option may hold all parameters of its layer.
      if (layer_bytes > kMostLayerBytes) {
        layers_.clear();
        return;
      }
    }
  }
  bytes_ += layer_bytes;
}

void ParsedSpec::AppendTask(int field, const LeasedTask& task, Millis lease_duration, std::string& out) const {
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

void ParsedSpec::AppendArchitecture(const core::Architecture& architecture, std::string& out) const {
  if (layers_.empty()) {
    spec::Resolve(spec_.space(), architecture).AppendToString(&out);
    return;
  }
  AppendField(v1::Architecture::kIdFieldNumber, spec::FormatArchitectureId(spec_.space(), architecture), out);
  for (std::size_t i = 0; i < layers_.size(); ++i) out += layers_[i][architecture[i]];
}

std::shared_ptr<const ParsedSpec> SpecCache::Get(const std::shared_ptr<const std::string>& serialized) {
  {
    MutexLock lock(mutex_);
    if (const auto found = by_place_.find(serialized.get()); found != by_place_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->parsed;
    }
  }
  auto parsed = std::make_shared<const ParsedSpec>(*serialized);
  MutexLock lock(mutex_);
  const auto [place, is_new] = by_place_.try_emplace(serialized.get());
  if (!is_new) return place->second->parsed;
  entries_.push_front({serialized, parsed});
  place->second = entries_.begin();
  bytes_ += parsed->bytes();
  while (bytes_ > kMostBytes && entries_.size() > 1) {
    bytes_ -= entries_.back().parsed->bytes();
    by_place_.erase(entries_.back().serialized.get());
    entries_.pop_back();
  }
  return parsed;
}

}  // namespace layernas
