// The accepted tokens, from the file that lists them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/security/file.h"
#include "common/security/role.h"
#include "common/security/token_list.h"

namespace layernas {

// The owner of a token.
struct Caller {
  std::string name;
  security::Role role = security::Role::kReadOnly;
};

// Checks the file every two seconds on its own thread and loads changes. If the file is invalid, it
// logs the error with file and line, and keeps the previous tokens. A file that could not be read
// is read again with each check, and only a new error is logged. Thread-safe.
class TokenFile {
 public:
  // Errors name the file and, if known, the line.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(const std::string& path);
  ~TokenFile();
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  // Returns nothing if the token is not in the file. Takes the same time for all tokens.
  std::optional<Caller> Find(std::string_view token) const;

  // Checks the file now.
  void Reload();

 private:
  using List = std::vector<security::TokenListEntry>;

  TokenFile(std::string path, List list, const security::FileVersion& version);
  void Watch();

  const std::string path_;

  mutable Mutex mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const List> list_ ABSL_GUARDED_BY(mutex_);

  // Only one check at a time.
  Mutex reload_mutex_;
  // Version of the file that was last loaded or rejected.
  security::FileVersion version_ ABSL_GUARDED_BY(reload_mutex_);
  // Why that version could not be read; empty if it was.
  std::string unread_ ABSL_GUARDED_BY(reload_mutex_);

  std::thread thread_;
};

}  // namespace layernas
