#include "controller/engine/names.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace layernas {
namespace {

TEST(Names, OfSearchesAndCandidates) {
  EXPECT_EQ(SearchName("my-search", 12), "searches/my-search-12");
  EXPECT_EQ(CandidateName("searches/my-search-12", 3), "searches/my-search-12/candidates/3");
  const auto parsed = ParseSearchName("searches/my-search-12");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->slug, "my-search");
  EXPECT_EQ(parsed->id, 12u);
  EXPECT_EQ(ParseSearchName("searches/a-18446744073709551615")->id, 18446744073709551615u);
}

TEST(Names, OneSearchHasOneName) {
  for (const char* name : {"", "searches", "searches/", "searches/a", "searches/-1", "searches/a-", "searches/a-0",
                           "searches/a-01", "searches/a-+1", "searches/a- 1", "searches/a-1 ", "searches/a-1x",
                           "searches/a-18446744073709551616", "search/a-1", "searches/a-1/candidates/1"}) {
    EXPECT_FALSE(ParseSearchName(name)) << name;
  }
}

TEST(Names, OfCandidatesAreReadAgain) {
  const auto parsed = ParseCandidateName("searches/my-search-12/candidates/34");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->search_name, "searches/my-search-12");
  EXPECT_EQ(parsed->number, 34u);
  for (const char* name :
       {"", "searches/a-1", "searches/a-1/candidates", "searches/a-1/candidates/", "searches/a-1/candidates/0",
        "searches/a-1/candidates/01", "searches/a-1/candidates/1/", "searches/a/candidates/1", "/candidates/1"}) {
    EXPECT_FALSE(ParseCandidateName(name)) << name;
  }
}

TEST(LeaseTokens, RoundTrip) {
  for (const LeaseToken& token :
       {LeaseToken{1, 2, 3}, LeaseToken{~0ull, ~0ull, 2147483647}, LeaseToken{1, 2, 3, ~0ull}}) {
    EXPECT_EQ(ParseLeaseToken(FormatLeaseToken(token)), token);
  }
  for (const char* text : {"", ".", "..", "1.2", "1.2.", ".2.3", "1..3", "0.1.1", "1.0.1", "1.1.0", "1.2.3.0", "1.2.3.",
                           "1.2.3.4.5", "1.2.3.4.", "1.2.-3", "1.2.2147483648", "01.2.3", "a.b.c"}) {
    EXPECT_FALSE(ParseLeaseToken(text)) << text;
  }
}

TEST(WorkIdentity, IsThatOfAllAttemptsAndOfNothingElse) {
  const LeaseToken token{1, 2, 3, 4};
  const std::string identity = WorkIdentity(token, core::TaskKind::kTrain);
  EXPECT_EQ(WorkIdentity({1, 2, 9, 4}, core::TaskKind::kTrain), identity);
  const std::set<std::string> others = {
      identity,
      WorkIdentity(token, core::TaskKind::kMeasure),
      WorkIdentity(token, core::TaskKind::kEvaluate),
      WorkIdentity({2, 2, 3, 4}, core::TaskKind::kTrain),
      WorkIdentity({1, 1, 3, 4}, core::TaskKind::kTrain),
      WorkIdentity({1, 2, 3, 5}, core::TaskKind::kTrain),
      // The digits of different numbers are separated.
      WorkIdentity({12, 3, 3, 4}, core::TaskKind::kTrain),
      WorkIdentity({1, 23, 3, 4}, core::TaskKind::kTrain),
      WorkIdentity({1, 2, 3, 41}, core::TaskKind::kTrain),
  };
  EXPECT_EQ(others.size(), 9u);
}

}  // namespace
}  // namespace layernas
