#include <future>

#include "common/rpc/transport.h"
#include "tests/controller/service/service_fixture.h"

namespace layernas {
namespace {

struct Watched {
  std::vector<v1::WatchSearchResponse> changes;
  grpc::Status status;
};

class WatchTest : public ServiceTest {
 protected:
  // Reads until the stream ends, and calls `seen` for each change.
  Watched Watch(const std::string& name, std::uint64_t after, grpc::ClientContext* context,
                const std::function<void(const v1::WatchSearchResponse&)>& seen = nullptr) {
    SetDeadline(*context, std::chrono::seconds(100));
    v1::WatchSearchRequest request;
    request.set_name(name);
    request.set_after_sequence(after);
    const auto reader = searches_->WatchSearch(context, request);
    Watched watched;
    v1::WatchSearchResponse change;
    while (reader->Read(&change)) {
      watched.changes.push_back(change);
      if (seen) seen(change);
    }
    watched.status = reader->Finish();
    return watched;
  }
  Watched Watch(const std::string& name, std::uint64_t after) {
    grpc::ClientContext context;
    return Watch(name, after, &context);
  }
  // Starts a watch, and returns when it has seen a change.
  std::future<Watched> StartWatch(const std::string& name, grpc::ClientContext* context) {
    auto first = std::make_shared<std::promise<void>>();
    auto watched = std::async(std::launch::async, [this, name, context, first] {
      bool told = false;
      return Watch(name, 0, context, [&](const v1::WatchSearchResponse&) {
        if (!told) first->set_value();
        told = true;
      });
    });
    EXPECT_EQ(first->get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    return watched;
  }

  static void ExpectNumbered(const Watched& watched, std::uint64_t after) {
    for (const v1::WatchSearchResponse& change : watched.changes) {
      EXPECT_EQ(change.sequence(), ++after);
      EXPECT_TRUE(change.has_time());
      EXPECT_TRUE(change.has_search() || change.has_candidate());
    }
  }
};

TEST_F(WatchTest, FromTheStartToTheEndWhileItHappens) {
  const std::string name = Create(LayerNasSpec("s"));
  grpc::ClientContext context;
  std::future<Watched> watching = StartWatch(name, &context);
  while (Get(name).state() == v1::SEARCH_STATE_RUNNING) Work(1);
  const Watched watched = watching.get();
  EXPECT_TRUE(watched.status.ok()) << watched.status.error_message();
  ExpectNumbered(watched, 0);
  EXPECT_EQ(watched.changes.size(), Get(name).sequence());
  ASSERT_FALSE(watched.changes.empty());
  EXPECT_EQ(watched.changes.back().search().state(), v1::SEARCH_STATE_SUCCEEDED);
  int succeeded = 0;
  for (const v1::WatchSearchResponse& change : watched.changes) {
    succeeded += change.candidate().state() == v1::CANDIDATE_STATE_SUCCEEDED ? 1 : 0;
  }
  EXPECT_EQ(succeeded, Get(name).progress().succeeded());
}

TEST_F(WatchTest, GoesOnFromANumber) {
  const std::string name = Create(RandomSpec("s", 10));
  Work(10);
  const std::uint64_t last = Get(name).sequence();
  for (const std::uint64_t after : {std::uint64_t{0}, std::uint64_t{7}, last - 1, last}) {
    const Watched watched = Watch(name, after);
    EXPECT_TRUE(watched.status.ok()) << watched.status.error_message();
    EXPECT_EQ(watched.changes.size(), last - after);
    ExpectNumbered(watched, after);
  }
}

TEST_F(WatchTest, MoreThanOnePageOfChanges) {
  const std::string name = Create(RandomSpec("s", 400, 5, 5));
  Work(400);
  const Watched watched = Watch(name, 0);
  EXPECT_GT(watched.changes.size(), 800u);
  ExpectNumbered(watched, 0);
}

TEST_F(WatchTest, ASnapshotStandsForWhatIsNoLongerKept) {
  Stop();
  EngineOptions options;
  options.kept_changes = 10;
  Start(options);
  const std::string name = Create(RandomSpec("s", 600, 5, 5));
  Work(600);
  Watched watched = Watch(name, 0);
  EXPECT_TRUE(watched.status.ok()) << watched.status.error_message();
  ASSERT_FALSE(watched.changes.empty());
  const std::uint64_t sequence = watched.changes.front().sequence();
  EXPECT_GT(sequence, 0u);
  EXPECT_EQ(watched.changes.front().snapshot().progress().succeeded(), 600);
  EXPECT_GT(watched.changes.front().time().seconds(), 1'500'000'000);
  watched.changes.erase(watched.changes.begin());
  EXPECT_FALSE(watched.changes.empty());
  ExpectNumbered(watched, sequence);
  // A number that was never assigned, as after a restored backup.
  watched = Watch(name, 1'000'000);
  ASSERT_EQ(watched.changes.size(), 1u);
  EXPECT_TRUE(watched.changes[0].has_snapshot());
  EXPECT_EQ(watched.changes[0].sequence(), Get(name).sequence());
}

TEST_F(WatchTest, UnknownSearches) {
  EXPECT_EQ(Watch("searches/none-9", 0).status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Watch("none", 0).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, EndsWhenTheSearchIsCancelledOrDeleted) {
  const std::string name = Create(RandomSpec("s", 10));
  grpc::ClientContext context;
  std::future<Watched> watching = StartWatch(name, &context);
  ASSERT_TRUE(Cancel(name).ok());
  const Watched watched = watching.get();
  EXPECT_TRUE(watched.status.ok()) << watched.status.error_message();
  EXPECT_EQ(watched.changes.back().search().state(), v1::SEARCH_STATE_CANCELLED);
  v1::DeleteSearchRequest request;
  request.set_name(name);
  v1::DeleteSearchResponse response;
  ASSERT_TRUE(Searches(&v1::SearchService::StubInterface::DeleteSearch, request, &response).ok());
  EXPECT_EQ(Watch(name, 0).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(WatchTest, CallersThatGoAwayLeaveNothingBehind) {
  const std::string name = Create(RandomSpec("s", 100));
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    std::future<Watched> watching = StartWatch(name, &context);
    // With and without changes in between.
    if (i % 2 == 0) Work(1);
    context.TryCancel();
    EXPECT_EQ(watching.get().status.error_code(), grpc::StatusCode::CANCELLED);
  }
  Work(5);
  EXPECT_EQ(Get(name).progress().succeeded(), 15);
  EXPECT_LT(Stop(), std::chrono::seconds(30));
}

TEST_F(WatchTest, ShutdownEndsWatches) {
  const std::string name = Create(RandomSpec("s", 100));
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::future<Watched>> watches;
  for (int i = 0; i < 10; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    watches.push_back(StartWatch(name, contexts.back().get()));
  }
  EXPECT_LT(Stop(), std::chrono::seconds(30));
  for (auto& watch : watches) EXPECT_EQ(watch.get().status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

// After a restart, a watcher has no other sign that it is connected again.
TEST_F(WatchTest, IsSaidToBeOpenThoughNothingChanges) {
  const std::string name = Create(RandomSpec("s", 100));
  const auto metadata = [this](const std::string& watched, std::uint64_t after) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::WatchSearchRequest request;
    request.set_name(watched);
    request.set_after_sequence(after);
    const auto reader = searches_->WatchSearch(&context, request);
    reader->WaitForInitialMetadata();
    const auto& sent = context.GetServerInitialMetadata();
    const auto found = sent.find(rpc::kWatchKey);
    const std::string said = found == sent.end() ? "" : std::string(found->second.data(), found->second.size());
    context.TryCancel();
    reader->Finish();
    return said;
  };
  EXPECT_EQ(metadata(name, Get(name).sequence()), rpc::kWatchOpen);
  EXPECT_EQ(metadata(name, 0), rpc::kWatchOpen);
  EXPECT_EQ(metadata("searches/none-1", 0), "");
}

// A caller that does not read must only delay its own stream.
TEST_F(WatchTest, ASlowReaderHoldsNobodyUp) {
  const std::string name = Create(RandomSpec("s", 600, 5, 5));
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchSearchRequest request;
  request.set_name(name);
  const auto reader = searches_->WatchSearch(&context, request);
  Work(600);
  EXPECT_EQ(Get(name).state(), v1::SEARCH_STATE_SUCCEEDED);
  std::uint64_t last = 0;
  v1::WatchSearchResponse change;
  while (reader->Read(&change)) EXPECT_EQ(change.sequence(), ++last);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(last, Get(name).sequence());
}

}  // namespace
}  // namespace layernas
