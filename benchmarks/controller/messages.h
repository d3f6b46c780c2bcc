// The messages of the load. They are encoded and decoded by hand where protobuf would cost more
// time than the controller takes to answer.
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

// Makes a random search with measured cost and a budget that does not end it.
v1::SearchSpec MakeSpec(const SpaceShape& shape);

// Returns a serialized LeaseTasksRequest.
std::string LeaseRequest(const std::string& worker, const std::string& request_id, int max_tasks, int wait_seconds);
// Returns a serialized HeartbeatRequest of a worker without leases.
std::string IdleHeartbeat(const std::string& worker);

// Returns the lease tokens of a serialized LeaseTasksResponse.
std::vector<std::string> ReadTokens(grpc::ByteBuffer& answer);

// Makes CompleteTasksRequests with results from a fixed set with different rewards and costs.
class ResultWriter {
 public:
  // Each result has `metrics` metrics, at least 2.
  explicit ResultWriter(int metrics);
  std::string CompleteRequest(const std::string& worker, const std::vector<std::string>& tokens);

 private:
  // Serialized TaskResults.
  std::vector<std::string> results_;
  std::uint64_t next_ = 0;
};

// Returns the number of ACCEPTED verdicts in a serialized CompleteTasksResponse.
std::size_t CountAccepted(grpc::ByteBuffer& answer);

}  // namespace layernas::bench
