#include "worker/trainer/cache_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace layernas::trainer {
namespace {

// Sets or removes an environment variable until the end of the test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = getenv(name)) {
      before_ = before;
      was_set_ = true;
    }
    value != nullptr ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Variable() { was_set_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* const name_;
  std::string before_;
  bool was_set_ = false;
};

TEST(DefaultCacheFolder, IsBelowTmpWhereNoVariableNamesAFolder) {
  const std::string own = "layernas-" + std::to_string(getuid());
  const Variable cache("XDG_CACHE_HOME", nullptr);
  const Variable home("HOME", nullptr);
  {
    const Variable temporary("TMPDIR", "/no/such/folder");
    EXPECT_EQ(DefaultCacheFolder(), "/tmp/" + own);
  }
  const Variable temporary("TMPDIR", "/usr");
  EXPECT_EQ(DefaultCacheFolder(), "/usr/" + own);
}

}  // namespace
}  // namespace layernas::trainer
