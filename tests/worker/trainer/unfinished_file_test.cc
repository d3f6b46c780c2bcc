#include "worker/trainer/unfinished_file.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/worker/trainer/temp_folder.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Unfinished : public TempFolder {
 protected:
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
    return names;
  }
};

TEST_F(Unfinished, HasItsNameOnlyWhenItIsFinished) {
  Write("net.pt", "before");
  std::optional<UnfinishedFile> file(std::in_place, folder_ / "net.pt", "after");
  EXPECT_EQ(ReadAll(folder_ / "net.pt"), "before");
  file->Finish();
  EXPECT_EQ(ReadAll(folder_ / "net.pt"), "after");
  file.reset();
  EXPECT_THAT(Names(), ElementsAre("net.pt"));
}

TEST_F(Unfinished, IsRemovedIfItIsNeverFinished) {
  { const UnfinishedFile file(folder_ / "net.pt", "x"); }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(Unfinished, WhatAKilledProcessLeftBehindIsRemoved) {
  const pid_t killed = fork();
  ASSERT_GE(killed, 0);
  if (killed == 0) {
    const UnfinishedFile file(folder_ / "net.pt", "x");
    kill(getpid(), SIGKILL);
  }
  ASSERT_EQ(waitpid(killed, nullptr, 0), killed);
  ASSERT_THAT(Names(), ElementsAre("net.pt." + std::to_string(killed) + ".tmp"));
  Write("net.pt.old.tmp", "of somebody else");
  Write("other.pt.1.tmp", "of another attempt that was killed");
  Write("other.txt.1.tmp", "of somebody else");
  UnfinishedFile(folder_ / "net.pt", "x").Finish();
  EXPECT_THAT(Names(), UnorderedElementsAre("net.pt", "net.pt.old.tmp", "other.txt.1.tmp"));
}

// Another trainer may write the same file.
TEST_F(Unfinished, WhatIsBeingWrittenStays) {
  int started[2];
  int may_end[2];
  ASSERT_EQ(pipe(started) | pipe(may_end), 0);
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  char byte = 0;
  if (other == 0) {
    close(may_end[1]);
    UnfinishedFile file(folder_ / "net.pt", "other");
    const bool told = write(started[1], "", 1) == 1 && read(may_end[0], &byte, 1) == 0;
    file.Finish();
    _exit(told ? 0 : 1);
  }
  ASSERT_EQ(read(started[0], &byte, 1), 1);
  UnfinishedFile(folder_ / "net.pt", "this").Finish();
  EXPECT_EQ(ReadAll(folder_ / "net.pt"), "this");
  close(may_end[1]);
  int status = -1;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ReadAll(folder_ / "net.pt"), "other");
  for (const int fd : {started[0], started[1], may_end[0]}) close(fd);
}

TEST_F(Unfinished, WhatCannotBeWrittenIsNamed) {
  Write("file", "not a folder");
  EXPECT_THAT([&] { UnfinishedFile(folder_ / "file" / "net.pt", "x"); },
              ::testing::ThrowsMessage<MachineError>(HasSubstr((folder_ / "file" / "net.pt").string())));
  EXPECT_THAT(Names(), ElementsAre("file"));
}

}  // namespace
}  // namespace layernas::trainer
