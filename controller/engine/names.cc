#include "controller/engine/names.h"

#include <charconv>

namespace layernas {
namespace {

constexpr std::string_view kSearches = "searches/";

// Plain digits without leading zeros, so that one thing has one name.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  if (text.empty() || text.front() < '1' || text.front() > '9') return std::nullopt;
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string SearchName(std::string_view slug, std::uint64_t id) {
  return std::string(kSearches) + std::string(slug) + "-" + std::to_string(id);
}

std::string CandidateName(std::string_view search_name, std::uint64_t number) {
  return std::string(search_name) + "/candidates/" + std::to_string(number);
}

std::optional<ParsedSearchName> ParseSearchName(std::string_view name) {
  if (!name.starts_with(kSearches)) return std::nullopt;
  name.remove_prefix(kSearches.size());
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  const auto id = ParseNumber<std::uint64_t>(name.substr(dash + 1));
  if (!id) return std::nullopt;
  return ParsedSearchName{std::string(name.substr(0, dash)), *id};
}

std::string FormatLeaseToken(const LeaseToken& token) {
  return std::to_string(token.search) + "." + std::to_string(token.number) + "." + std::to_string(token.attempt);
}

std::optional<LeaseToken> ParseLeaseToken(std::string_view text) {
  const std::size_t first = text.find('.');
  const std::size_t last = text.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const auto search = ParseNumber<std::uint64_t>(text.substr(0, first));
  const auto number = ParseNumber<std::uint64_t>(text.substr(first + 1, last - first - 1));
  const auto attempt = ParseNumber<int>(text.substr(last + 1));
  if (!search || !number || !attempt) return std::nullopt;
  return LeaseToken{*search, *number, *attempt};
}

}  // namespace layernas
