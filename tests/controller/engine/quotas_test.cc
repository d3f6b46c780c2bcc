// Tests the quotas of one caller; others have separate ones.
#include "controller/engine/worker_commands.h"
#include "tests/controller/engine/engine_fixture.h"
#include "tests/controller/engine/state_fixture.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;

class QuotasTest : public EngineTest {
 protected:
  QuotasTest() {
    options_.quotas = {3, 4'000, 2};
    Restart();
  }

  absl::StatusOr<SearchView> Create(const std::string& owner, v1::SearchSpec spec, const std::string& request_id = "") {
    spec.set_name("s");
    const std::string bytes = spec.SerializeAsString();
    return Await<SearchView>([&](auto reply) {
      engine_->CreateSearch({"s", bytes, *ToCoreConfig(bytes), request_id, owner}, reply);
    });
  }
  // The spec says nothing about the layers, so that it is as small as possible.
  absl::StatusOr<SearchView> Create(const std::string& owner, const std::string& request_id = "") {
    return Create(owner, RandomSpec("s", 5), request_id);
  }
  absl::Status Poll(const std::string& owner, const std::string& id) {
    LeaseRequest request = Request(id);
    request.worker.owner = owner;
    return Lease(request).status();
  }
  double Refused(const std::string& reason) { return metrics_->CallsRefused(reason).Value(); }
};

TEST_F(QuotasTest, SearchesThatHaveNotEnded) {
  const auto first = Create("a", "r1");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(Create("a", "r2").ok());
  ASSERT_TRUE(Create("a", "r3").ok());
  const absl::Status refused = Create("a", "r4").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a has 3 unfinished searches"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max-searches-per-caller"));
  EXPECT_EQ(Refused("too_many_searches"), 1);
  // A retry does not count as another search, other callers have separate quotas, and searches
  // without an owner are not counted.
  EXPECT_EQ(Create("a", "r3")->name, "searches/s-3");
  EXPECT_TRUE(Create("b", "r5").ok());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Create("").ok());
  // After a restart they still belong to the caller.
  Restart();
  EXPECT_FALSE(Create("a", "r4").ok());
  ASSERT_TRUE(Cancel(first->name).ok());
  EXPECT_TRUE(Create("a", "r4").ok());
}

TEST_F(QuotasTest, BytesOfSpecs) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  // More than half of a caller's quota.
  (*spec.mutable_evaluation()->mutable_train()->mutable_parameters()->mutable_fields())["note"].set_string_value(
      std::string(2'500, 'x'));
  const auto first = Create("a", spec);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status refused = Create("a", spec).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max-spec-mib-per-caller"));
  EXPECT_EQ(Refused("too_large_specs"), 1);
  EXPECT_TRUE(Create("a").ok()) << "a small one";
  EXPECT_TRUE(Create("b", spec).ok());
  // A search that has ended is kept and counts until it is deleted.
  ASSERT_TRUE(Cancel(first->name).ok());
  EXPECT_FALSE(Create("a", spec).ok());
  ASSERT_TRUE(Delete(first->name).ok());
  EXPECT_TRUE(Create("a", spec).ok());
}

TEST_F(QuotasTest, Workers) {
  EXPECT_TRUE(Poll("a", "w1").ok());
  EXPECT_TRUE(Poll("a", "w2").ok());
  const absl::Status refused = Poll("a", "w3");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max-workers-per-caller"));
  EXPECT_EQ(Refused("too_many_workers"), 1);
  EXPECT_TRUE(Poll("a", "w1").ok());
  EXPECT_TRUE(Poll("b", "w4").ok());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Poll("", "nobodys-" + std::to_string(i)).ok());
  // A heartbeat would make it known too.
  WorkerInfo worker = Request("w5").worker;
  worker.owner = "a";
  EXPECT_EQ(
      Await<std::vector<LeaseVerdict>>([&](auto reply) { engine_->Heartbeat(worker, {}, reply); }).status().code(),
      absl::StatusCode::kResourceExhausted);
  // Silent workers make room.
  Pass(Millis{100'000});
  EXPECT_TRUE(Poll("a", "w3").ok());
}

TEST_F(QuotasTest, WorkersThatShareAnIdAreCountedEach) {
  const auto heard = [&](const std::string& id, const std::string& instance) {
    WorkerInfo worker{id, {}, 1, "test", instance, "a"};
    return Await<std::vector<LeaseVerdict>>([&](auto reply) { engine_->Heartbeat(worker, {}, reply); }).ok();
  };
  EXPECT_TRUE(heard("h", "1111111"));
  EXPECT_TRUE(heard("h", "2222222"));
  EXPECT_TRUE(heard("h", "1111111")) << "now it has a row of its own";
  // A restarted worker takes the row of its predecessor. Further ones have no row.
  EXPECT_TRUE(heard("h", "3333333"));
  EXPECT_FALSE(heard("h", "2222222"));
  EXPECT_FALSE(heard("x", "4444444"));
  // A worker with a row is never refused.
  EXPECT_TRUE(heard("h", "1111111"));
  ASSERT_TRUE(Await<bool>([&](auto reply) { engine_->ReleaseTasks(WorkerId("h", "3333333"), {}, reply, true); }).ok());
  EXPECT_TRUE(heard("x", "4444444"));
  EXPECT_TRUE(heard("h", "1111111"));
}

TEST_F(QuotasTest, ARowThatGoesToAnotherCallerIsCountedAsItsOwn) {
  const auto heard = [&](const std::string& owner, const std::string& id) {
    WorkerInfo worker{id, {}, 1, "test", "instance of " + id, owner};
    return Await<std::vector<LeaseVerdict>>([&](auto reply) { engine_->Heartbeat(worker, {}, reply); }).ok();
  };
  EXPECT_TRUE(heard("a", "w1"));
  EXPECT_TRUE(heard("a", "w2"));
  EXPECT_TRUE(heard("b", "w1"));
  EXPECT_TRUE(heard("b", "w2"));
  EXPECT_TRUE(heard("a", "w3"));
  EXPECT_FALSE(heard("b", "w3"));
}

TEST_F(QuotasTest, WhoHoldsALeaseIsHeardWhereAnotherHasTakenItsRow) {
  const std::string name = EngineTest::Create(RandomSpec("s", 3));
  LeaseRequest request = Request("h");
  request.worker.instance = "1111111";
  request.worker.owner = "a";
  const LeasedTask task = Lease(request)->at(0);
  const auto heard = [&](const std::string& id, const std::string& instance, const std::vector<HeldLease>& leases) {
    WorkerInfo worker{id, {}, 1, "test", instance, "a"};
    return Await<std::vector<LeaseVerdict>>([&](auto reply) { engine_->Heartbeat(worker, leases, reply); }).ok();
  };
  EXPECT_TRUE(heard("x", "3333333", {}));
  EXPECT_TRUE(heard("h", "2222222", {}));
  for (int i = 0; i < 4; ++i) {
    Pass(options_.lease_duration / 3);
    EXPECT_TRUE(heard("h", "1111111", {{FormatLeaseToken(task.token)}}));
  }
  EXPECT_TRUE(Candidate(name, task.token.number).failures.empty());
}

TEST_F(QuotasTest, WhoHoldsALeaseIsHeardAfterARestartAndNobodyElseByItsLease) {
  const std::string name = EngineTest::Create(RandomSpec("s", 3));
  const auto lease = [&](const std::string& id) {
    LeaseRequest request = Request(id);
    request.worker.instance = "instance of " + id;
    request.worker.owner = "a";
    return Lease(request)->at(0);
  };
  const auto heard = [&](const std::string& id, const std::string& instance, const std::vector<HeldLease>& leases) {
    WorkerInfo worker{id, {}, 1, "test", instance, "a"};
    return Await<std::vector<LeaseVerdict>>([&](auto reply) { engine_->Heartbeat(worker, leases, reply); }).ok();
  };
  const LeasedTask task = lease("w1");
  lease("w2");
  Restart();
  EXPECT_TRUE(heard("w3", "instance of w3", {}));
  EXPECT_TRUE(heard("w4", "instance of w4", {}));
  const std::vector<HeldLease> held = {{FormatLeaseToken(task.token)}};
  for (int i = 0; i < 4; ++i) {
    Pass(options_.lease_duration / 3);
    EXPECT_TRUE(heard("w1", "instance of w1", held));
  }
  EXPECT_TRUE(Candidate(name, task.token.number).failures.empty());
  for (const char* id : {"w5", "w6"}) EXPECT_FALSE(heard(id, "instance of w1", held));
}

TEST_F(StateTest, ReportsOfStrangersLeaveNothingBehind) {
  WorkerCommands commands(state_);
  const WorkerId stranger("stranger", "instance");
  commands.CompleteTasks(stranger, {Report{}}, [](const auto&) {});
  commands.ReleaseTasks(stranger, {"no token"}, false, [](const auto&) {});
  EXPECT_TRUE(state_.workers.names().empty());
}

}  // namespace
}  // namespace layernas
