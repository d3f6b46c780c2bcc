#include "controller/access/methods.h"

#include <algorithm>
#include <array>

namespace layernas {
namespace {

using security::Role;

struct Method {
  std::string_view name;
  Access access;
};

constexpr std::array kMethods = {
    Method{"/grpc.health.v1.Health/Check", Access::kOpen},
    Method{"/grpc.health.v1.Health/Watch", Access::kOpen},
    Method{"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::kRead},
    Method{"/layernas.v1.SearchService/ValidateSearch", Access::kRead},
    Method{"/layernas.v1.SearchService/GetSearch", Access::kRead},
    Method{"/layernas.v1.SearchService/ListSearches", Access::kRead},
    Method{"/layernas.v1.SearchService/WatchSearch", Access::kRead},
    Method{"/layernas.v1.SearchService/ListCandidates", Access::kRead},
    Method{"/layernas.v1.SearchService/GetTaskLog", Access::kRead},
    Method{"/layernas.v1.SearchService/GetFrontier", Access::kRead},
    Method{"/layernas.v1.SearchService/GetBuckets", Access::kRead},
    Method{"/layernas.v1.SearchService/CreateSearch", Access::kSearch},
    Method{"/layernas.v1.SearchService/PauseSearch", Access::kSearch},
    Method{"/layernas.v1.SearchService/ResumeSearch", Access::kSearch},
    Method{"/layernas.v1.SearchService/CancelSearch", Access::kSearch},
    Method{"/layernas.v1.SearchService/UpdateSearch", Access::kSearch},
    Method{"/layernas.v1.SearchService/DeleteSearch", Access::kAdmin},
    Method{"/layernas.v1.FleetService/ListWorkers", Access::kRead},
    Method{"/layernas.v1.AdminService/CreateBackup", Access::kAdmin},
    Method{"/layernas.v1.WorkerService/LeaseTasks", Access::kWork},
    Method{"/layernas.v1.WorkerService/Heartbeat", Access::kWork},
    Method{"/layernas.v1.WorkerService/CompleteTasks", Access::kWork},
    Method{"/layernas.v1.WorkerService/ReleaseTasks", Access::kWork},
};

}  // namespace

std::optional<Access> AccessOf(std::string_view method) {
  const auto* const found =
      std::find_if(kMethods.begin(), kMethods.end(), [method](const Method& one) { return one.name == method; });
  if (found == kMethods.end()) return std::nullopt;
  return found->access;
}

bool Permits(Role role, Access access) {
  switch (access) {
    case Access::kOpen:
      return true;
    case Access::kRead:
      return role != Role::kWorker;
    case Access::kSearch:
      return role == Role::kClient || role == Role::kAdmin;
    case Access::kWork:
      return role == Role::kWorker || role == Role::kAdmin;
    case Access::kAdmin:
      return role == Role::kAdmin;
  }
  return false;
}

std::vector<std::pair<std::string_view, Access>> AllMethods() {
  std::vector<std::pair<std::string_view, Access>> all;
  for (const Method& method : kMethods) all.emplace_back(method.name, method.access);
  return all;
}

}  // namespace layernas
