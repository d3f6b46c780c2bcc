// The tokens that are let in, from the file that lists them.
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

// Looks at the file every two seconds, on a thread of its own, and takes over what has changed. Of a file that can't be
// used the log says what is wrong, naming file and line, and the tokens stay as they were. Thread-safe.
class TokenFile {
 public:
  // Errors name the file, and the line where there is one.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(const std::string& path);
  ~TokenFile();
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  // Nothing if the token isn't in the file. Takes as long for one as for another.
  std::optional<Caller> Find(std::string_view token) const;

  // Looks at the file now.
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

  // One look at a time.
  Mutex reload_mutex_;
  // As last read, or refused.
  security::FileVersion version_ ABSL_GUARDED_BY(reload_mutex_);

  std::thread thread_;
};

}  // namespace layernas
