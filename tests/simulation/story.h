// The events of a world, for people and for comparing two runs.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "tests/simulation/timeline.h"

namespace layernas::simulation {

// Not thread-safe.
class Story {
 public:
  // With kHash and kPrint, every line is formatted. With kSilent, none is, which costs nothing.
  enum class Mode { kSilent, kHash, kPrint };

  Story(Mode mode, const Timeline& timeline) : mode_(mode), timeline_(timeline) {}

  template <typename... Parts>
  void Tell(const Parts&... parts) {
    if (mode_ == Mode::kSilent) return;
    Add(absl::StrCat(parts...));
  }
  // Records a broken invariant. Only the first one counts.
  void Find(std::string_view invariant, const std::string& what) {
    if (finding_) return;
    finding_ = absl::StrCat(invariant.data(), ": ", what);
    Tell("FINDING ", *finding_);
  }

  const std::optional<std::string>& finding() const { return finding_; }
  // The hash of all lines so far.
  std::uint64_t hash() const { return hash_; }

 private:
  void Add(const std::string& text) {
    const double seconds = std::chrono::duration<double>(timeline_.Now().time_since_epoch()).count() - 3600;
    std::array<char, 32> time{};
    std::snprintf(time.data(), time.size(), "%10.3f  ", seconds);
    if (mode_ == Mode::kPrint) std::printf("%s%s\n", time.data(), text.c_str());
    for (const char c : std::string_view(time.data())) Hash(c);
    for (const char c : text) Hash(c);
  }
  // FNV-1a.
  void Hash(char c) { hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3; }

  const Mode mode_;
  const Timeline& timeline_;
  std::optional<std::string> finding_;
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace layernas::simulation
