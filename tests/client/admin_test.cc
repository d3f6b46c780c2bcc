// Tests `layernas admin`, and the checks of tokens that every command makes before its first call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/security/token_list.h"
#include "tests/client/call.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() { std::filesystem::create_directories(folder_); }
  ~AdminTest() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("layernas_admin_test_" + std::to_string(getpid()));
};

TEST_F(AdminTest, MakesATokenAndItsLine) {
  const Outcome made = CallLocally({"admin", "token", "--role", "worker", "--name", "gpu-1"});
  ASSERT_EQ(made.code, ExitCode::kOk) << made.err;
  std::istringstream lines(made.out);
  std::string token;
  std::getline(lines, token);
  EXPECT_TRUE(security::CheckToken(token).ok()) << token;
  EXPECT_THAT(
      made.out,
      HasSubstr("\n" + security::FormatTokenLine({security::Role::kWorker, security::HashToken(token), "gpu-1"}) +
                "\n"));
  EXPECT_NE(CallLocally({"admin", "token", "--role", "worker", "--name", "gpu-1"}).out, made.out);
}

TEST_F(AdminTest, ATokenInAFileIsNotShown) {
  const std::string path = folder_ / "token";
  const Outcome made = CallLocally({"admin", "token", "--role", "read-only", "--name", "ann", "--out", path});
  ASSERT_EQ(made.code, ExitCode::kOk) << made.err;
  std::string token;
  std::ifstream(path) >> token;
  const auto list = security::ParseTokenList(made.out, "out");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_TRUE(security::SameHash(list->front().hash, security::HashToken(token)));
  EXPECT_THAT(made.out, Not(HasSubstr(token)));
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);

  const Outcome again = CallLocally({"admin", "token", "--role", "read-only", "--name", "ann", "--out", path});
  EXPECT_EQ(again.code, ExitCode::kError);
  EXPECT_THAT(again.err, HasSubstr(path));
}

TEST_F(AdminTest, RolesAndNamesAreChecked) {
  EXPECT_EQ(CallLocally({"admin", "token", "--role", "boss", "--name", "ann"}).code, ExitCode::kUsage);
  EXPECT_EQ(CallLocally({"admin", "token", "--role", "client"}).code, ExitCode::kUsage);
  EXPECT_EQ(CallLocally({"admin"}).code, ExitCode::kUsage);
  const Outcome named = CallLocally({"admin", "token", "--role", "client", "--name", "ann lee"});
  EXPECT_EQ(named.code, ExitCode::kUsage);
  EXPECT_THAT(named.err, HasSubstr("--name: "));
}

TEST_F(AdminTest, ATokenDoesNotLeaveInTheClear) {
  const std::string path = folder_ / "token";
  ASSERT_EQ(CallLocally({"admin", "token", "--role", "client", "--name", "ann", "--out", path}).code, ExitCode::kOk);
  const Outcome refused = CallLocally({"search", "list", "--controller", "controller.example:1", "--token-file", path});
  EXPECT_EQ(refused.code, ExitCode::kUsage);
  EXPECT_THAT(refused.err, HasSubstr("--token-file: refusing to send the token to controller.example:1 in the clear"));
  const Outcome missing = CallLocally({"search", "list", "--token-file", folder_ / "nothing"});
  EXPECT_EQ(missing.code, ExitCode::kError);
  EXPECT_THAT(missing.err, HasSubstr("--token-file: " + (folder_ / "nothing").string()));
}

}  // namespace
}  // namespace layernas::client
