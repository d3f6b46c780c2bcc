#include "controller/engine/worker_names.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

std::string Hear(WorkerNames& names, const std::string& id, const std::string& instance, bool is_told_apart = false) {
  const std::string before = names.NameOf(id, instance);
  const WorkerNames::Heard heard = names.Hear(id, instance);
  EXPECT_EQ(heard.is_told_apart, is_told_apart) << id << " " << instance;
  EXPECT_EQ(before, heard.name);
  EXPECT_EQ(names.NameOf(id, instance), heard.name);
  return heard.name;
}

TEST(WorkerNames, AWorkerIsKnownByItsId) {
  WorkerNames names;
  EXPECT_EQ(Hear(names, "a", "111111111"), "a");
  EXPECT_EQ(Hear(names, "a", "111111111"), "a");
  EXPECT_EQ(Hear(names, "b", "222222222"), "b");
  // It does not say which process it is.
  EXPECT_EQ(Hear(names, "a", ""), "a");
  EXPECT_EQ(Hear(names, "c", ""), "c");
}

TEST(WorkerNames, ARestartedWorkerKeepsItsName) {
  WorkerNames names;
  for (int i = 1; i < 1000; ++i) EXPECT_EQ(Hear(names, "a", "instance " + std::to_string(i)), "a");
}

TEST(WorkerNames, OfTwoThatAreAliveOneHasANameOfItsOwn) {
  WorkerNames names;
  EXPECT_EQ(Hear(names, "a", "111111111"), "a");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a");
  // It had been followed by another, and is heard again.
  EXPECT_EQ(Hear(names, "a", "111111111", true), "a~111111");
  EXPECT_EQ(Hear(names, "a", "111111111"), "a~111111");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a");
  // A third.
  EXPECT_EQ(Hear(names, "a", "333333333"), "a");
  EXPECT_EQ(Hear(names, "a", "111111111"), "a~111111");
  EXPECT_EQ(Hear(names, "a", "222222222", true), "a~222222");
  EXPECT_EQ(Hear(names, "a", "333333333"), "a");
  EXPECT_EQ(Hear(names, "b", "111111111"), "b");
}

TEST(WorkerNames, NamesDifferAlsoWhereInstancesBeginAlike) {
  WorkerNames names;
  for (const char* instance : {"1234567", "1234568", "1234569"}) Hear(names, "a", instance);
  EXPECT_EQ(Hear(names, "a", "1234567", true), "a~123456");
  EXPECT_EQ(Hear(names, "a", "1234568", true), "a~1234568");
}

TEST(WorkerNames, RestartsTakeNoNameFromOneThatIsAlive) {
  WorkerNames names;
  Hear(names, "a", "111111111");
  Hear(names, "a", "222222222");
  Hear(names, "a", "111111111", true);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Hear(names, "a", "instance " + std::to_string(i)), "a");
  EXPECT_EQ(Hear(names, "a", "111111111"), "a~111111");
}

TEST(WorkerNames, WhatIsForgottenLeavesNothingBehind) {
  WorkerNames names;
  EXPECT_EQ(names.NameOf("a", "111111111"), "a");
  names.ForgetName("a", "a");
  names.ForgetFollowed("a", "111111111");
  EXPECT_TRUE(names.empty());
  Hear(names, "a", "111111111");
  Hear(names, "a", "222222222");
  names.ForgetFollowed("a", "111111111");
  EXPECT_EQ(Hear(names, "a", "111111111"), "a") << "as if it had never been heard";
  EXPECT_EQ(Hear(names, "a", "222222222", true), "a~222222");
  names.ForgetName("a", "a");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a~222222");
  // The id is free for the next.
  EXPECT_EQ(Hear(names, "a", "333333333"), "a");
  names.ForgetName("a", "a~222222");
  names.ForgetName("a", "a");
  EXPECT_TRUE(names.empty());
}

}  // namespace
}  // namespace layernas
