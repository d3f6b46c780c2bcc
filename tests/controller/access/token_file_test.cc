#include "controller/access/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "tests/controller/support/temp_dir.h"

namespace layernas {
namespace {

using security::Role;
using ::testing::HasSubstr;

const std::string kOne = "layernas_" + std::string(64, '1');
const std::string kTwo = "layernas_" + std::string(64, '2');

class TokenFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    chmod((path_ + ".new").c_str(), 0640);
    std::filesystem::rename(path_ + ".new", path_);
  }
  static std::string Line(Role role, const std::string& token, const std::string& name) {
    return security::FormatTokenLine({role, security::HashToken(token), name}) + "\n";
  }

  TempDir temp_;
  const std::string path_ = temp_.Path("tokens");
};

TEST_F(TokenFileTest, FindsWhoseTokenItIs) {
  Write(Line(Role::kWorker, kOne, "gpu") + Line(Role::kAdmin, kTwo, "root"));
  const auto tokens = TokenFile::Open(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_TRUE((*tokens)->Find(kOne));
  EXPECT_EQ((*tokens)->Find(kOne)->name, "gpu");
  EXPECT_EQ((*tokens)->Find(kOne)->role, Role::kWorker);
  EXPECT_EQ((*tokens)->Find(kTwo)->role, Role::kAdmin);
  EXPECT_FALSE((*tokens)->Find(kOne + "1"));
  EXPECT_FALSE((*tokens)->Find(""));
}

TEST_F(TokenFileTest, WhatIsNoTokenIsNobodysWhateverTheListSays) {
  const std::string spaces(40, ' ');
  Write(Line(Role::kAdmin, "guess", "short") + Line(Role::kAdmin, spaces, "spaces") + Line(Role::kWorker, kOne, "gpu"));
  const auto tokens = TokenFile::Open(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_FALSE((*tokens)->Find("guess"));
  EXPECT_FALSE((*tokens)->Find(spaces));
  EXPECT_TRUE((*tokens)->Find(kOne));
}

TEST_F(TokenFileTest, ReloadsWhatChangedAndKeepsWhatItHasWhereThatIsBroken) {
  Write(Line(Role::kWorker, kOne, "gpu"));
  const auto tokens = TokenFile::Open(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  Write(Line(Role::kClient, kOne, "ann") + Line(Role::kWorker, kTwo, "gpu"));
  (*tokens)->Reload();
  EXPECT_EQ((*tokens)->Find(kOne)->role, Role::kClient);
  EXPECT_TRUE((*tokens)->Find(kTwo));
  for (const std::string& broken : {std::string(), Line(Role::kWorker, kTwo, "gpu") + "nonsense\n"}) {
    Write(broken);
    (*tokens)->Reload();
    EXPECT_TRUE((*tokens)->Find(kOne)) << broken;
  }
  Write(Line(Role::kWorker, kTwo, "gpu"));
  chmod(path_.c_str(), 0644);
  (*tokens)->Reload();
  EXPECT_TRUE((*tokens)->Find(kOne)) << "a file that others can read is refused";
  std::filesystem::remove(path_);
  (*tokens)->Reload();
  EXPECT_TRUE((*tokens)->Find(kOne));
  Write(Line(Role::kWorker, kTwo, "gpu"));
  (*tokens)->Reload();
  EXPECT_FALSE((*tokens)->Find(kOne));
}

TEST_F(TokenFileTest, LoadsARefusedFileOnceItsModeIsMended) {
  Write(Line(Role::kWorker, kOne, "gpu"));
  const auto tokens = TokenFile::Open(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  Write(Line(Role::kWorker, kTwo, "gpu"));
  chmod(path_.c_str(), 0644);
  (*tokens)->Reload();
  EXPECT_TRUE((*tokens)->Find(kOne));
  // As the error advises.
  chmod(path_.c_str(), 0640);
  (*tokens)->Reload();
  EXPECT_FALSE((*tokens)->Find(kOne)) << "revoked";
  EXPECT_TRUE((*tokens)->Find(kTwo));
}

TEST_F(TokenFileTest, LogsOneErrorOnce) {
  Write(Line(Role::kWorker, kOne, "gpu"));
  const auto tokens = TokenFile::Open(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  ::testing::internal::CaptureStderr();
  chmod(path_.c_str(), 0644);
  for (int i = 0; i < 3; ++i) (*tokens)->Reload();
  log::Flush();
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::size_t first = log.find("cannot use the new token file");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("cannot use the new token file", first + 1), std::string::npos) << log;
}

TEST_F(TokenFileTest, LooksByItself) {
  Write(Line(Role::kWorker, kOne, "gpu"));
  const auto tokens = TokenFile::Open(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  Write(Line(Role::kWorker, kTwo, "gpu"));
  for (int i = 0; i < 6000 && !(*tokens)->Find(kTwo); ++i) std::this_thread::sleep_for(Millis(10));
  EXPECT_TRUE((*tokens)->Find(kTwo));
  EXPECT_FALSE((*tokens)->Find(kOne));
}

TEST_F(TokenFileTest, ErrorsNameFileAndLine) {
  EXPECT_THAT(std::string(TokenFile::Open(path_).status().message()), HasSubstr(path_));
  Write("\nnonsense\n");
  EXPECT_THAT(std::string(TokenFile::Open(path_).status().message()), HasSubstr(path_ + ":2: "));
}

}  // namespace
}  // namespace layernas
