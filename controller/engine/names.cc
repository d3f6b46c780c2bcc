#include "controller/engine/names.h"

#include <array>
#include <charconv>

namespace layernas {
namespace {

constexpr std::string_view kSearches = "searches/";
constexpr std::string_view kCandidates = "/candidates/";

// Accepts only plain digits without leading zeros, so that each thing has exactly one name.
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
  return std::string(search_name) + std::string(kCandidates) + std::to_string(number);
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

std::optional<ParsedCandidateName> ParseCandidateName(std::string_view name) {
  const std::size_t end = name.rfind(kCandidates);
  if (end == std::string_view::npos || !ParseSearchName(name.substr(0, end))) return std::nullopt;
  const auto number = ParseNumber<std::uint64_t>(name.substr(end + kCandidates.size()));
  if (!number) return std::nullopt;
  return ParsedCandidateName{std::string(name.substr(0, end)), *number};
}

std::string FormatLeaseToken(const LeaseToken& token) {
  std::string text =
      std::to_string(token.search) + "." + std::to_string(token.number) + "." + std::to_string(token.attempt);
  if (token.lineage != 0) text += "." + std::to_string(token.lineage);
  return text;
}

std::optional<LeaseToken> ParseLeaseToken(std::string_view text) {
  std::array<std::string_view, 4> parts;
  std::size_t count = 0;
  for (bool more = true; more; ++count) {
    if (count == parts.size()) return std::nullopt;
    const std::size_t dot = text.find('.');
    more = dot != std::string_view::npos;
    parts[count] = text.substr(0, dot);
    if (more) text.remove_prefix(dot + 1);
  }
  if (count < 3) return std::nullopt;
  const auto search = ParseNumber<std::uint64_t>(parts[0]);
  const auto number = ParseNumber<std::uint64_t>(parts[1]);
  const auto attempt = ParseNumber<int>(parts[2]);
  const auto lineage = count == 4 ? ParseNumber<std::uint64_t>(parts[3]) : std::uint64_t{0};
  if (!search || !number || !attempt || !lineage) return std::nullopt;
  return LeaseToken{*search, *number, *attempt, *lineage};
}

std::string WorkIdentity(const LeaseToken& token, core::TaskKind kind) {
  return std::to_string(token.lineage) + "." + std::to_string(token.search) + "." + std::to_string(token.number) + "." +
         std::to_string(static_cast<int>(kind));
}

}  // namespace layernas
