// What is asked of the controller in more than one place.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "common/base/status_macros.h"

namespace layernas::client {

// The search that someone wrote: by its full name ("searches/shapes10-1" or "shapes10-1"), or the newest one whose spec
// has that name ("shapes10"). A full name comes first, so that no spec's name can hide a search.
absl::StatusOr<std::string> FindSearch(ControllerConnection& connection, const std::string& written);
// The same for what cannot be undone: by its full name alone, so that the next search of that spec is not meant by
// mistake. INVALID_ARGUMENT names the newest search that the other reading would have found.
absl::StatusOr<std::string> FindSearchByFullName(ControllerConnection& connection, const std::string& written);
// The newest search whose spec has that name; NOT_FOUND if there is none.
absl::StatusOr<std::string> FindNewest(ControllerConnection& connection, const std::string& spec_name);
absl::StatusOr<v1::Search> GetSearch(ControllerConnection& connection, const std::string& name);
// All pages.
absl::StatusOr<v1::GetFrontierResponse> GetFrontier(ControllerConnection& connection, const std::string& name);

// Fetches page by page, until `limit` items are there (0 = all), and calls visit(response), which returns how many
// items were in it. Returns whether there are more.
template <typename Stub, typename Request, typename Response, typename Visit>
absl::StatusOr<bool> ForEachPage(ControllerConnection& connection,
                                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                 Request request, std::int64_t limit, Visit visit) {
  constexpr std::int64_t kLargestPage = 1000;
  std::int64_t left = limit > 0 ? limit : std::numeric_limits<std::int64_t>::max();
  do {
    request.set_page_size(static_cast<std::int32_t>(std::min(left, kLargestPage)));
    LAYERNAS_ASSIGN_OR_RETURN(Response response, connection.Call(method, request));
    request.set_page_token(response.next_page_token());
    left -= visit(response);
  } while (left > 0 && !request.page_token().empty());
  return !request.page_token().empty();
}

}  // namespace layernas::client
