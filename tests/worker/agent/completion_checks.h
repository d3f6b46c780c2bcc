// Checks completions, which must be valid whatever an evaluator wrote.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {

// Returns what is wrong with the completion: it exceeds a limit of task_limits.h, or has text that
// is not UTF-8 and that protobuf would refuse on the other side. Empty if it is valid.
inline std::string FaultOf(const v1::Completion& completion) {
  const auto bad_text = [](const std::string& text, std::size_t least, std::size_t most) {
    return text.size() < least || text.size() > most || CutUtf8(text, text.size()) != text;
  };
  const auto has_control = [](const std::string& text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  };
  const v1::TaskResult& result = completion.result();
  if (static_cast<std::size_t>(result.metrics_size()) > kMaxMetrics) return "metrics";
  if (completion.has_result() && result.metrics().empty()) return "no metrics";
  for (const auto& [name, value] : result.metrics()) {
    if (bad_text(name, 1, kMaxNameBytes) || has_control(name)) return "the name of a metric";
    if (std::isinf(value)) return "a metric";
  }
  if (static_cast<std::size_t>(result.curve_size()) > kMaxCurvePoints) return "curve";
  int epoch = 0;
  for (const v1::CurvePoint& point : result.curve()) {
    if (point.epoch() <= epoch || !std::isfinite(point.reward())) return "a point of the curve";
    epoch = point.epoch();
  }
  const v1::WeightsFile& weights = result.weights();
  if (result.has_weights() &&
      (bad_text(weights.path(), 1, kMaxWeightsPathBytes) || has_control(weights.path()) || weights.bytes() < 0)) {
    return "weights";
  }
  if (bad_text(completion.failure().message(), 0, kMaxMessageBytes)) return "message";
  if (bad_text(completion.log().tail(), 0, kMaxLogBytes)) return "log";
  v1::Completion read;
  return read.ParseFromString(completion.SerializeAsString()) ? "" : "it can't be read back";
}

}  // namespace layernas
