#include "client/queries.h"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/output/search_text.h"

namespace layernas::client {
namespace {

// Returns whether the text has the form of a full name, such as "shapes10-1": the controller refuses
// all others. A spec can have such a name too, and also one such as "shapes10-01", which is no full
// name.
bool IsNumbered(std::string_view id) {
  const std::size_t dash = id.rfind('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view digits = id.substr(dash + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() && !digits.starts_with('0');
}

}  // namespace

absl::StatusOr<std::string> FindSearch(ControllerConnection& connection, const std::string& written) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, SearchName(written));
  const std::string id = ShortName(name);
  if (!IsNumbered(id)) return FindNewest(connection, id);
  // Other errors are reported by the call that uses the name.
  if (name == written || !absl::IsNotFound(GetSearch(connection, name).status())) return name;
  const absl::StatusOr<std::string> newest = FindNewest(connection, id);
  return newest.ok() ? *newest : name;
}

absl::StatusOr<std::string> FindSearchByFullName(ControllerConnection& connection, const std::string& written) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, SearchName(written));
  const std::string id = ShortName(name);
  if (IsNumbered(id) && !absl::IsNotFound(GetSearch(connection, name).status())) return name;
  LAYERNAS_ASSIGN_OR_RETURN(const std::string newest, FindNewest(connection, id));
  return absl::InvalidArgumentError(
      absl::StrCat("'", written, "' is the name of a spec, not of a search: give the full name, such as ",
                   ShortName(newest), ", or use --newest"));
}

absl::StatusOr<std::string> FindNewest(ControllerConnection& connection, const std::string& spec_name) {
  v1::ListSearchesRequest request;
  request.set_page_size(1000);
  do {
    LAYERNAS_ASSIGN_OR_RETURN(const v1::ListSearchesResponse page,
                              connection.Call(&v1::SearchService::Stub::ListSearches, request));
    for (const v1::Search& search : page.searches()) {
      if (search.spec().name() == spec_name) return search.name();
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::NotFoundError(
      absl::StrCat("no search has the name ", spec_name, "; 'layernas search list' lists the searches"));
}

absl::StatusOr<v1::Search> GetSearch(ControllerConnection& connection, const std::string& name) {
  v1::GetSearchRequest request;
  request.set_name(name);
  LAYERNAS_ASSIGN_OR_RETURN(const v1::GetSearchResponse response,
                            connection.Call(&v1::SearchService::Stub::GetSearch, request));
  return response.search();
}

absl::StatusOr<v1::GetFrontierResponse> GetFrontier(ControllerConnection& connection, const std::string& name) {
  v1::GetFrontierRequest request;
  request.set_name(name);
  v1::GetFrontierResponse frontier;
  LAYERNAS_RETURN_IF_ERROR(ForEachPage(connection, &v1::SearchService::Stub::GetFrontier, request, 0,
                                       [&frontier](const v1::GetFrontierResponse& page) {
                                         frontier.MergeFrom(page);
                                         return page.points_size();
                                       })
                               .status());
  frontier.clear_next_page_token();
  return frontier;
}

}  // namespace layernas::client
