#include "controller/access/token_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"

namespace layernas {
namespace {

constexpr Millis kLookAgain{2'000};
constexpr std::size_t kMostBytes = 4 << 20;

absl::StatusOr<security::FileContent> Read(const std::string& path) {
  return security::ReadFile(path, kMostBytes, security::Privacy::kPrivate);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(const std::string& path) {
  LAYERNAS_ASSIGN_OR_RETURN(const security::FileContent file, Read(path));
  LAYERNAS_ASSIGN_OR_RETURN(List list, security::ParseTokenList(file.text, path));
  return std::unique_ptr<TokenFile>(new TokenFile(path, std::move(list), file.version));
}

TokenFile::TokenFile(std::string path, List list, const security::FileVersion& version)
    : path_(std::move(path)),
      list_(std::make_shared<const List>(std::move(list))),
      version_(version),
      thread_(&TokenFile::Watch, this) {}

TokenFile::~TokenFile() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stopped_.NotifyAll();
  }
  thread_.join();
}

std::optional<Caller> TokenFile::Find(std::string_view token) const {
  // An empty or guessable token is never accepted, even if the list contains its hash.
  if (!security::CheckToken(token).ok()) return std::nullopt;
  const security::TokenHash hash = security::HashToken(token);
  std::shared_ptr<const List> list;
  {
    MutexLock lock(mutex_);
    list = list_;
  }
  const security::TokenListEntry* found = nullptr;
  // Always compares to the end, wherever the token is found.
  for (const security::TokenListEntry& entry : *list) {
    if (security::SameHash(entry.hash, hash)) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  return Caller{found->name, found->role};
}

void TokenFile::Reload() {
  MutexLock reloading(reload_mutex_);
  const auto version = security::VersionOf(path_);
  // The file may be missing for a moment while it is replaced.
  if (!version || (*version == version_ && unread_.empty())) return;
  const bool is_new = *version != version_;
  const absl::StatusOr<security::FileContent> file = Read(path_);
  version_ = file.ok() ? file->version : *version;
  // The reason may go without a change of the file, for example with the mode of a folder.
  const std::string unread = std::exchange(unread_, std::string(file.status().message()));
  absl::StatusOr<List> list = file.ok() ? security::ParseTokenList(file->text, path_) : file.status();
  if (!list.ok()) {
    if (!is_new && unread == unread_) return;
    log::Error("cannot use the new token file; keeping the previous tokens",
               {{"error", std::string(list.status().message())}});
    return;
  }
  log::Info("loaded the new token file", {{"file", path_}, {"tokens", list->size()}});
  MutexLock lock(mutex_);
  list_ = std::make_shared<const List>(*std::move(list));
}

void TokenFile::Watch() {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) stopped_.WaitFor(mutex_, kLookAgain);
      if (stopping_) return;
    }
    Reload();
  }
}

}  // namespace layernas
