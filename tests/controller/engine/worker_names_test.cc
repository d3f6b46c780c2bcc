#include "controller/engine/worker_names.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

std::string Hear(WorkerNames& names, const std::string& id, const std::string& instance,
                 const std::string& renamed = "") {
  const WorkerNames::Heard heard = names.Hear(id, instance);
  EXPECT_EQ(heard.renamed, renamed) << id << " " << instance;
  EXPECT_EQ(heard.renamed.empty(), heard.renamed_instance.empty());
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
  EXPECT_EQ(Hear(names, "a", "111111111", "a~222222"), "a");
  EXPECT_EQ(Hear(names, "a", "111111111"), "a");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a~222222");
  // A third.
  EXPECT_EQ(Hear(names, "a", "333333333"), "a");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a~222222");
  EXPECT_EQ(Hear(names, "a", "111111111", "a~333333"), "a");
  EXPECT_EQ(Hear(names, "a", "333333333"), "a~333333");
  EXPECT_EQ(Hear(names, "b", "111111111"), "b");
}

TEST(WorkerNames, WhoWasNeverHeardLeavesNothingBehind) {
  WorkerNames names;
  EXPECT_EQ(names.NameOf("a", "111111111"), "a");
  names.Forget("a", "111111111");
  EXPECT_TRUE(names.empty());
  Hear(names, "a", "111111111");
  EXPECT_EQ(names.NameOf("a", "222222222"), "a");
  EXPECT_FALSE(names.empty());
  names.Forget("a", "222222222");
  EXPECT_FALSE(names.empty());
  names.Forget("a", "111111111");
  EXPECT_TRUE(names.empty());
}

TEST(WorkerNames, TheOthersKeepTheirNamesWhenOneGoes) {
  WorkerNames names;
  Hear(names, "a", "111111111");
  Hear(names, "a", "222222222");
  Hear(names, "a", "111111111", "a~222222");
  names.Forget("a", "111111111");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a~222222");
  // The id is free for the next.
  EXPECT_EQ(Hear(names, "a", "333333333"), "a");
  EXPECT_EQ(Hear(names, "a", "222222222"), "a~222222");
  names.Forget("a", "222222222");
  names.Forget("a", "333333333");
  EXPECT_TRUE(names.empty());
}

}  // namespace
}  // namespace layernas
