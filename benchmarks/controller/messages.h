// The messages that the load consists of, written and read by hand where the library would cost more than the
// controller takes to answer.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <string>
#include <vector>

#include "layernas/v1/spec.pb.h"

namespace layernas::bench {

inline constexpr char kLeaseTasks[] = "/layernas.v1.WorkerService/LeaseTasks";
inline constexpr char kHeartbeat[] = "/layernas.v1.WorkerService/Heartbeat";
inline constexpr char kCompleteTasks[] = "/layernas.v1.WorkerService/CompleteTasks";
inline constexpr char kWatchSearch[] = "/layernas.v1.SearchService/WatchSearch";
inline constexpr char kListCandidates[] = "/layernas.v1.SearchService/ListCandidates";

struct SpaceShape {
  int layers = 20;
  int options = 10;
};

// A random search with measured cost, whose budget of trainings is not the thing that ends it.
v1::SearchSpec MakeSpec(const SpaceShape& shape);

// Serialized LeaseTasksRequest.
std::string LeaseRequest(const std::string& worker, const std::string& request_id, int max_tasks, int wait_seconds);
// Serialized HeartbeatRequest of a worker without leases.
std::string IdleHeartbeat(const std::string& worker);

// The lease tokens of a serialized LeaseTasksResponse.
std::vector<std::string> ReadTokens(grpc::ByteBuffer& answer);

// Makes CompleteTasksRequests with results drawn from a fixed set, whose rewards and costs differ.
class ResultWriter {
 public:
  // Each result has that many metrics, at least 2.
  explicit ResultWriter(int metrics);
  std::string CompleteRequest(const std::string& worker, const std::vector<std::string>& tokens);

 private:
  // Serialized TaskResults.
  std::vector<std::string> results_;
  std::uint64_t next_ = 0;
};

// How many of a serialized CompleteTasksResponse's verdicts are ACCEPTED.
std::size_t CountAccepted(grpc::ByteBuffer& answer);

}  // namespace layernas::bench
