// Queries that several commands use.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "common/base/status_macros.h"

namespace layernas::client {

// Returns the name of the search that a user wrote. `written` is a full name ("searches/shapes10-1"
// or "shapes10-1"), or the name of a spec ("shapes10"), which means its newest search. A full name
// takes precedence, so that the name of a spec cannot hide a search.
absl::StatusOr<std::string> FindSearch(ControllerConnection& connection, const std::string& written);
// Accepts only a full name, for operations that cannot be undone. INVALID_ARGUMENT for the name of
// a spec; the message names its newest search.
absl::StatusOr<std::string> FindSearchByFullName(ControllerConnection& connection, const std::string& written);
// Returns the newest search of the spec with that name. NOT_FOUND if there is none.
absl::StatusOr<std::string> FindNewest(ControllerConnection& connection, const std::string& spec_name);
absl::StatusOr<v1::Search> GetSearch(ControllerConnection& connection, const std::string& name);
// Fetches all pages.
absl::StatusOr<v1::GetFrontierResponse> GetFrontier(ControllerConnection& connection, const std::string& name);

// Fetches pages until there are `limit` items (0 = all). Calls visit(response) for each page, which
// returns the number of items in it, or a negative number to stop. Returns whether there are more
// items.
template <typename Stub, typename Request, typename Response, typename Visit>
absl::StatusOr<bool> ForEachPage(ControllerConnection& connection,
                                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                 Request request, std::int64_t limit, Visit visit) {
  constexpr std::int64_t kMaxPage = 1000;
  std::int64_t left = limit > 0 ? limit : std::numeric_limits<std::int64_t>::max();
  do {
    request.set_page_size(static_cast<std::int32_t>(std::min(left, kMaxPage)));
    LAYERNAS_ASSIGN_OR_RETURN(Response response, connection.Call(method, request));
    request.set_page_token(response.next_page_token());
    const std::int64_t visited = visit(response);
    if (visited < 0) return !request.page_token().empty();
    left -= visited;
  } while (left > 0 && !request.page_token().empty());
  return !request.page_token().empty();
}

}  // namespace layernas::client
