#include "controller/engine/search_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SearchEntry Entry(std::uint64_t id, const std::string& evaluation_key = "", const std::string& request_id = "") {
  core::SearchConfig config;
  config.space.layers = {{"a", 2, 0, {}}};
  config.strategy = core::RandomOptions{};
  config.evaluation_key = evaluation_key;
  SearchEntry entry;
  entry.stored.id = id;
  entry.stored.request_id = request_id;
  entry.name = "searches/s-" + std::to_string(id);
  entry.search = std::make_shared<core::Search>(config, 1);
  return entry;
}

SearchEntry Broken(std::uint64_t id) {
  SearchEntry entry = Entry(id);
  entry.search = nullptr;
  entry.why_broken = "why";
  return entry;
}

template <typename Map>
std::vector<std::uint64_t> Keys(const Map& map) {
  std::vector<std::uint64_t> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

TEST(SearchBook, GivesEachIdOnce) {
  SearchBook book;
  EXPECT_EQ(book.next_id(), 1u);
  EXPECT_EQ(book.TakeId(), 1u);
  book.Add(Entry(1));
  book.Remove(1);
  EXPECT_EQ(book.TakeId(), 2u);
  book.set_next_id(10);
  EXPECT_EQ(book.next_id(), 10u);
  EXPECT_EQ(book.TakeId(), 10u);
}

TEST(SearchBook, FindsByIdAndByName) {
  SearchBook book;
  SearchEntry& added = book.Add(Entry(3));
  for (std::uint64_t id = 4; id < 100; ++id) book.Add(Entry(id));
  EXPECT_EQ(book.Find(3), &added);
  EXPECT_EQ(book.Find(2), nullptr);
  EXPECT_EQ(book.Find("searches/s-3").value(), &added);
  const auto other_slug = book.Find("searches/t-3");
  EXPECT_TRUE(absl::IsNotFound(other_slug.status()));
  EXPECT_EQ(other_slug.status().message(), "there is no search searches/t-3");
  EXPECT_TRUE(absl::IsNotFound(book.Find("searches/s-2").status()));
  const auto no_name = book.Find("s-3");
  EXPECT_TRUE(absl::IsInvalidArgument(no_name.status()));
  EXPECT_THAT(std::string(no_name.status().message()), HasSubstr("\"s-3\" is not the name of a search"));
}

TEST(SearchBook, KnowsWhichAreOpen) {
  SearchBook book;
  book.Add(Entry(1));
  SearchEntry ended = Entry(2);
  ASSERT_TRUE(ended.search->Cancel(1).ok());
  book.Add(std::move(ended));
  book.Add(Broken(3));
  SearchEntry& fourth = book.Add(Entry(4));
  EXPECT_THAT(Keys(book.all()), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Keys(book.open()), ElementsAre(1, 4));
  EXPECT_EQ(book.open().at(4), &fourth);
  book.Close(1);
  EXPECT_THAT(Keys(book.open()), ElementsAre(4));
  EXPECT_THAT(Keys(book.all()), ElementsAre(1, 2, 3, 4));
  book.Remove(4);
  EXPECT_THAT(Keys(book.open()), IsEmpty());
  EXPECT_THAT(Keys(book.all()), ElementsAre(1, 2, 3));
  book.Remove(4);
  book.Remove(3);
  EXPECT_THAT(Keys(book.all()), ElementsAre(1, 2));
}

TEST(SearchBook, KnowsWhichRequestMadeIt) {
  SearchBook book;
  book.Add(Entry(1, "", "r1"));
  book.Add(Entry(2));
  EXPECT_EQ(book.OfRequest("r1"), 1u);
  EXPECT_EQ(book.OfRequest("r2"), 0u);
  // A search without a request id cannot be found by one.
  EXPECT_EQ(book.OfRequest(""), 0u);
  book.Remove(2);
  EXPECT_EQ(book.OfRequest("r1"), 1u);
  book.Remove(1);
  EXPECT_EQ(book.OfRequest("r1"), 0u);
}

TEST(SearchBook, KnowsWhichCanUseEachOthersResults) {
  SearchBook book;
  book.Add(Entry(1, "a"));
  book.Add(Entry(2, "b"));
  book.Add(Entry(3, "a"));
  book.Add(Broken(4));
  EXPECT_THAT(book.SameEvaluation("a"), ElementsAre(1, 3));
  EXPECT_THAT(book.SameEvaluation("b"), ElementsAre(2));
  EXPECT_THAT(book.SameEvaluation("c"), IsEmpty());
  // This includes those that have ended.
  book.Close(1);
  EXPECT_THAT(book.SameEvaluation("a"), ElementsAre(1, 3));
  book.Remove(1);
  EXPECT_THAT(book.SameEvaluation("a"), ElementsAre(3));
  book.Remove(3);
  EXPECT_THAT(book.SameEvaluation("a"), IsEmpty());
}

}  // namespace
}  // namespace layernas
