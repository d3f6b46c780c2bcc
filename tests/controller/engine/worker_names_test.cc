#include "controller/engine/worker_names.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/utf8.h"

namespace layernas {
namespace {

class WorkerNamesTest : public ::testing::Test {
 protected:
  std::string NameOf(const std::string& id, const std::string& instance) const {
    return names_.NameOf(id, instance, [this](const std::string& name) { return IdOf(name); });
  }
  std::string Hear(const std::string& id, const std::string& instance, bool is_told_apart = false) {
    const std::string before = NameOf(id, instance);
    const WorkerNames::Heard heard = names_.Hear(id, instance, [this](const std::string& name) { return IdOf(name); });
    EXPECT_EQ(heard.is_told_apart, is_told_apart) << id << " " << instance;
    EXPECT_EQ(before, heard.name);
    EXPECT_EQ(ids_.emplace(heard.name, id).first->second, id) << "two workers have the name " << heard.name;
    EXPECT_EQ(NameOf(id, instance), heard.name);
    return heard.name;
  }
  void Forget(const std::string& id, const std::string& name) {
    ids_.erase(name);
    names_.ForgetName(id, name);
  }

  WorkerNames names_;

 private:
  const std::string* IdOf(const std::string& name) const {
    const auto found = ids_.find(name);
    return found == ids_.end() ? nullptr : &found->second;
  }

  // As in the book of workers.
  std::map<std::string, std::string> ids_;
};

TEST_F(WorkerNamesTest, AWorkerIsKnownByItsId) {
  EXPECT_EQ(Hear("a", "111111111"), "a");
  EXPECT_EQ(Hear("a", "111111111"), "a");
  EXPECT_EQ(Hear("b", "222222222"), "b");
  // It does not say which process it is.
  EXPECT_EQ(Hear("a", ""), "a");
  EXPECT_EQ(Hear("c", ""), "c");
}

TEST_F(WorkerNamesTest, ARestartedWorkerKeepsItsName) {
  for (int i = 1; i < 1000; ++i) EXPECT_EQ(Hear("a", "instance " + std::to_string(i)), "a");
}

TEST_F(WorkerNamesTest, OfTwoThatAreAliveOneHasANameOfItsOwn) {
  EXPECT_EQ(Hear("a", "111111111"), "a");
  EXPECT_EQ(Hear("a", "222222222"), "a");
  // Another process had replaced it, and now it is heard again.
  EXPECT_EQ(Hear("a", "111111111", true), "a~111111");
  EXPECT_EQ(Hear("a", "111111111"), "a~111111");
  EXPECT_EQ(Hear("a", "222222222"), "a");
  // A third process.
  EXPECT_EQ(Hear("a", "333333333"), "a");
  EXPECT_EQ(Hear("a", "111111111"), "a~111111");
  EXPECT_EQ(Hear("a", "222222222", true), "a~222222");
  EXPECT_EQ(Hear("a", "333333333"), "a");
  EXPECT_EQ(Hear("b", "111111111"), "b");
}

TEST_F(WorkerNamesTest, NamesDifferAlsoWhereInstancesBeginAlike) {
  for (const char* instance : {"1234567", "1234568", "1234569"}) Hear("a", instance);
  EXPECT_EQ(Hear("a", "1234567", true), "a~123456");
  EXPECT_EQ(Hear("a", "1234568", true), "a~1234568");
}

TEST_F(WorkerNamesTest, NamesAreUtf8) {
  // Cutting it after six bytes would split its third é.
  const std::string instance = "aéééé";
  Hear("a", instance);
  Hear("a", "b");
  const std::string name = Hear("a", instance, true);
  EXPECT_EQ(name, "a~aéé");
  EXPECT_EQ(CutUtf8(name, name.size()), name);
}

TEST_F(WorkerNamesTest, NoIdIsTheNameOfAnother) {
  Hear("a", "111111111");
  Hear("a", "222222222");
  EXPECT_EQ(Hear("a", "111111111", true), "a~111111");
  // A worker that is really called like that, with and without an instance.
  EXPECT_EQ(Hear("a~111111", "333333333"), "a~111111~333333");
  EXPECT_EQ(Hear("a~111111", "333333333"), "a~111111~333333");
  EXPECT_EQ(Hear("a~111111", ""), "a~111111~");
  Forget("a~111111", "a~111111~333333");
  Forget("a~111111", "a~111111~");
  Forget("a", "a~111111");
  Forget("a", "a");
  EXPECT_TRUE(names_.empty());
  // Now it comes first.
  EXPECT_EQ(Hear("a~111111", "333333333"), "a~111111");
  Hear("a", "111111111");
  Hear("a", "222222222");
  EXPECT_EQ(Hear("a", "111111111", true), "a~111111111");
}

TEST_F(WorkerNamesTest, InstancesThatBeginAlikeAllHaveNames) {
  for (const char* instance : {"1234567", "123456", "3"}) Hear("a", instance);
  EXPECT_EQ(Hear("a", "1234567", true), "a~123456");
  EXPECT_EQ(Hear("a", "123456", true), "a~123456~2");
}

TEST_F(WorkerNamesTest, RestartsTakeNoNameFromOneThatIsAlive) {
  Hear("a", "111111111");
  Hear("a", "222222222");
  Hear("a", "111111111", true);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Hear("a", "instance " + std::to_string(i)), "a");
  EXPECT_EQ(Hear("a", "111111111"), "a~111111");
}

TEST_F(WorkerNamesTest, WhatIsForgottenLeavesNothingBehind) {
  EXPECT_EQ(NameOf("a", "111111111"), "a");
  Forget("a", "a");
  names_.ForgetFollowed("a", "111111111");
  EXPECT_TRUE(names_.empty());
  Hear("a", "111111111");
  Hear("a", "222222222");
  names_.ForgetFollowed("a", "111111111");
  EXPECT_EQ(Hear("a", "111111111"), "a") << "as if it had never been heard";
  EXPECT_EQ(Hear("a", "222222222", true), "a~222222");
  Forget("a", "a");
  EXPECT_EQ(Hear("a", "222222222"), "a~222222");
  // The id is free for the next process.
  EXPECT_EQ(Hear("a", "333333333"), "a");
  Forget("a", "a~222222");
  Forget("a", "a");
  EXPECT_TRUE(names_.empty());
}

}  // namespace
}  // namespace layernas
