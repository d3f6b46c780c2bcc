#include "benchmarks/controller/messages.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <limits>
#include <string_view>

#include "common/base/random.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas::bench {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kDifferentResults = 4096;

constexpr std::uint32_t Tag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

void AppendVarint(std::string& out, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void AppendField(std::string& out, int field, std::string_view bytes) {
  AppendVarint(out, Tag(field));
  AppendVarint(out, static_cast<std::uint32_t>(bytes.size()));
  out += bytes;
}

}  // namespace

v1::SearchSpec MakeSpec(const SpaceShape& shape) {
  v1::SearchSpec spec;
  spec.set_name("bench");
  v1::Network& network = *spec.mutable_space()->mutable_network();
  for (const int size : {3, 32, 32}) network.add_input(size);
  network.set_classes(10);
  for (int i = 0; i < shape.layers; ++i) {
    v1::Layer& layer = *spec.mutable_space()->add_layers();
    layer.set_name("block" + std::to_string(i + 1));
    layer.set_channels(16 + 8 * i);
    layer.set_stride(i % 4 == 3 ? 2 : 1);
    for (int j = 0; j < shape.options; ++j) layer.add_options()->set_name("option_" + std::to_string(j));
  }
  spec.mutable_objective()->set_cost("latency_ms");
  for (const double target : {5.0, 10.0}) spec.mutable_objective()->add_targets(target);
  spec.mutable_strategy()->mutable_random();
  spec.mutable_budget()->set_trainings(std::numeric_limits<std::int32_t>::max());
  return spec;
}

std::string LeaseRequest(const std::string& worker, const std::string& request_id, int max_tasks, int wait_seconds) {
  v1::LeaseTasksRequest request;
  request.mutable_worker()->set_id(worker);
  request.mutable_worker()->set_slots(max_tasks);
  request.mutable_worker()->set_version("bench");
  request.set_max_tasks(max_tasks);
  request.set_request_id(request_id);
  request.mutable_max_wait()->set_seconds(wait_seconds);
  return request.SerializeAsString();
}

std::string IdleHeartbeat(const std::string& worker) {
  v1::HeartbeatRequest request;
  request.mutable_worker()->set_id(worker);
  request.mutable_worker()->set_slots(1);
  request.mutable_worker()->set_version("bench");
  return request.SerializeAsString();
}

std::vector<std::string> ReadTokens(grpc::ByteBuffer& answer) {
  std::vector<std::string> tokens;
  grpc::ProtoBufferReader reader(&answer);
  CodedInputStream in(&reader);
  // The first field of each task is the token; the rest is skipped.
  while (in.ReadTag() == Tag(v1::LeaseTasksResponse::kTasksFieldNumber)) {
    std::uint32_t size = 0;
    if (!in.ReadVarint32(&size)) break;
    const int end = in.CurrentPosition() + static_cast<int>(size);
    std::uint32_t length = 0;
    if (in.ReadTag() != Tag(v1::Task::kLeaseTokenFieldNumber) || !in.ReadVarint32(&length) ||
        !in.ReadString(&tokens.emplace_back(), static_cast<int>(length)) || !in.Skip(end - in.CurrentPosition())) {
      break;
    }
  }
  return tokens;
}

ResultWriter::ResultWriter(int metrics) {
  RandomStream random({1});
  for (int i = 0; i < kDifferentResults; ++i) {
    v1::TaskResult result;
    auto& values = *result.mutable_metrics();
    const double cost = 1 + 19 * random.Uniform();
    values["accuracy"] = 0.5 + 0.02 * cost + 0.05 * random.Uniform();
    values["latency_ms"] = cost;
    for (int j = 2; j < metrics; ++j) values["latency_p" + std::to_string(j) + "_ms"] = cost * (1 + 0.01 * j);
    results_.push_back(result.SerializeAsString());
  }
}

std::string ResultWriter::CompleteRequest(const std::string& worker, const std::vector<std::string>& tokens) {
  std::string request;
  AppendField(request, v1::CompleteTasksRequest::kWorkerIdFieldNumber, worker);
  std::string completion;
  for (const std::string& token : tokens) {
    completion.clear();
    AppendField(completion, v1::Completion::kLeaseTokenFieldNumber, token);
    AppendField(completion, v1::Completion::kResultFieldNumber, results_[next_++ % results_.size()]);
    AppendField(request, v1::CompleteTasksRequest::kCompletionsFieldNumber, completion);
  }
  return request;
}

std::size_t CountAccepted(grpc::ByteBuffer& answer) {
  grpc::ProtoBufferReader reader(&answer);
  v1::CompleteTasksResponse response;
  if (!response.ParseFromZeroCopyStream(&reader)) return 0;
  std::size_t accepted = 0;
  for (const v1::CompletionVerdict& verdict : response.verdicts()) {
    accepted += verdict.status() == v1::COMPLETION_STATUS_ACCEPTED ? 1 : 0;
  }
  return accepted;
}

}  // namespace layernas::bench
