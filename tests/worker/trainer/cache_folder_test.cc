#include "worker/trainer/cache_folder.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/worker/trainer/temp_folder.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

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

class PrivateFolder : public TempFolder {
 protected:
  // Returns the error, or an empty text.
  static std::string Make(const fs::path& folder) {
    try {
      MakePrivateFolder(folder);
    } catch (const MachineError& error) {
      return error.what();
    }
    return "";
  }
  static mode_t Mode(const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  }

  static constexpr uid_t kSomebodyElse = 54321;
};

TEST_F(PrivateFolder, IsMadeForTheUserOnly) {
  EXPECT_EQ(Make(folder_ / "a" / "cache" / "data"), "");
  EXPECT_EQ(Mode(folder_ / "a" / "cache"), 0700U);
  EXPECT_EQ(Mode(folder_ / "a" / "cache" / "data"), 0700U);
  EXPECT_EQ(Make(folder_ / "a" / "cache" / "data"), "");
}

TEST_F(PrivateFolder, TheCacheDirectoryMayBeALinkButItsFolderMayNot) {
  fs::create_directory(folder_ / "big_disk");
  fs::create_directory_symlink(folder_ / "big_disk", folder_ / "cache");
  EXPECT_EQ(Make(folder_ / "cache" / "data"), "");
  EXPECT_TRUE(fs::is_directory(folder_ / "big_disk" / "data"));

  fs::create_directory(folder_ / "thesis");
  fs::create_directory_symlink(folder_ / "thesis", folder_ / "cache" / "checkpoints");
  EXPECT_THAT(Make(folder_ / "cache" / "checkpoints"), HasSubstr("checkpoints is a symbolic link"));
}

// Such as a volume of a container.
TEST_F(PrivateFolder, TheCacheDirectoryMayBelongToAnybodyButItsFolderMayNot) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give directories to another user";
  const fs::path foreign = folder_ / "foreign";
  fs::create_directory(foreign);
  fs::permissions(foreign, fs::perms::all);
  ASSERT_EQ(chown(foreign.c_str(), kSomebodyElse, kSomebodyElse), 0);
  EXPECT_EQ(Make(foreign / "data"), "");
  EXPECT_EQ(Mode(foreign / "data"), 0700U);
  ASSERT_EQ(chown((foreign / "data").c_str(), kSomebodyElse, kSomebodyElse), 0);
  EXPECT_THAT(Make(foreign / "data"), HasSubstr("data belongs to another user"));
}

TEST_F(PrivateFolder, ALinkOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a link to another user";
  fs::create_directory(folder_ / "home");
  fs::create_directory_symlink(folder_ / "home", folder_ / "cache");
  ASSERT_EQ(lchown((folder_ / "cache").c_str(), kSomebodyElse, kSomebodyElse), 0);
  EXPECT_THAT(Make(folder_ / "cache" / "data"), HasSubstr("is a symbolic link of another user"));
  EXPECT_FALSE(fs::exists(folder_ / "home" / "data"));
}

}  // namespace
}  // namespace layernas::trainer
