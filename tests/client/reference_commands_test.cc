// Tests completion and man.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/client/call.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ReferenceCommands, KnowEveryCommand) {
  const std::string folder = ::testing::TempDir() + "layernas_man_test";
  ASSERT_EQ(CallLocally({"man", folder}).code, ExitCode::kOk);
  for (const char* page : {"layernas.1", "layernas-search-submit.1", "layernas-report.1", "layernas-admin-backup.1"}) {
    std::ifstream file(folder + "/" + page);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_THAT(text.str(), StartsWith(".TH ")) << page;
    EXPECT_THAT(text.str(), HasSubstr(".SH EXAMPLES\n")) << page;
  }
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CallLocally({"completion", shell}).out;
    EXPECT_THAT(script, HasSubstr("/search/frontier")) << shell;
    EXPECT_THAT(script, HasSubstr("table json csv yaml")) << shell;
  }
  EXPECT_EQ(CallLocally({"completion", "tcsh"}).code, ExitCode::kUsage);
}

TEST(ReferenceCommands, TheNameOfAFileThatIsCompletedCanHaveBlanks) {
  const std::string folder = ::testing::TempDir() + "layernas_completion_files_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/completion") << CallLocally({"completion", "bash"}).out;
  std::ofstream(folder + "/my spec.yaml") << "x";
  std::ofstream(folder + "/test")
      << "cd " << folder << "\n. ./completion\n"
      << "for words in 'validate my' 'run x --costs my'; do\n"
         "  COMP_WORDS=(layernas $words)\n  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n  _layernas\n"
         "  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == 'my spec.yaml' ]] || exit 1\ndone\n";
  EXPECT_EQ(std::system(("bash " + folder + "/test").c_str()), 0);
}

// Another user may have taken the port of the controller.
TEST(ReferenceCommands, NoCompletionExecutesWhatAServerSays) {
  const std::string folder = ::testing::TempDir() + "layernas_completion_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/completion") << CallLocally({"completion", "bash"}).out;
  std::ofstream(folder + "/layernas") << "#!/bin/sh\nprintf 'name,state\\nx-1,ok\\n$(touch${IFS}" << folder
                                      << "/executed),ok\\n'\n";
  std::filesystem::permissions(folder + "/layernas", std::filesystem::perms::owner_all);
  std::ofstream(folder + "/test") << "PATH=" << folder << ":$PATH\n. " << folder
                                  << "/completion\nCOMP_WORDS=(layernas search get '')\nCOMP_CWORD=3\n_layernas\n"
                                     "[[ \" ${COMPREPLY[*]} \" == *' x-1 '* ]]\n";
  EXPECT_EQ(std::system(("bash " + folder + "/test").c_str()), 0);
  EXPECT_FALSE(std::filesystem::exists(folder + "/executed"));
}

}  // namespace
}  // namespace layernas::client
