#include "controller/service/task_encoder.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "common/spec/resolve.h"
#include "common/spec/validate.h"
#include "controller/engine/names.h"
#include "layernas/v1/worker_service.pb.h"
#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::LeaseTasksResponse Answer(const TaskEncoder& spec, const std::vector<LeasedTask>& tasks) {
  std::string bytes;
  for (const LeasedTask& task : tasks) {
    spec.AppendTask(v1::LeaseTasksResponse::kTasksFieldNumber, task, Millis{1500}, bytes);
  }
  v1::LeaseTasksResponse answer;
  EXPECT_TRUE(answer.ParseFromString(bytes));
  return answer;
}

LeasedTask Task(std::uint64_t number, const core::Architecture& architecture) {
  LeasedTask task;
  task.token = {1, number, 3};
  task.search_name = "searches/s-1";
  task.architecture = architecture;
  task.seed = 42;
  return task;
}

v1::SearchSpec FullSpec() {
  v1::SearchSpec spec = LayerNasSpec("s");
  spec.mutable_space()->mutable_network()->set_classes(10);
  spec.mutable_evaluation()->mutable_train()->set_epochs(3);
  spec.mutable_evaluation()->mutable_measure()->set_runs(20);
  v1::Layer& layer = *spec.mutable_space()->mutable_layers(1);
  layer.set_channels(24);
  layer.set_stride(2);
  (*layer.mutable_parameters()->mutable_fields())["ratio"].set_number_value(0.25);
  (*layer.mutable_options(1)->mutable_parameters()->mutable_fields())["kernel"].set_number_value(5);
  return spec;
}

TEST(TaskEncoder, ATaskCarriesWhatTheSpecSays) {
  const TaskEncoder spec(FullSpec().SerializeAsString());
  EXPECT_TRUE(MessageDifferencer::Equals(spec.spec(), spec::WithDefaults(FullSpec())));
  const v1::LeaseTasksResponse answer = Answer(spec, {Task(2, {0, 1, 2}), Task(7, {2, 2, 0})});
  ASSERT_EQ(answer.tasks_size(), 2);
  const v1::Task& wire = answer.tasks(0);
  EXPECT_EQ(ParseLeaseToken(wire.lease_token()), (LeaseToken{1, 2, 3}));
  EXPECT_EQ(wire.lease_duration().seconds(), 1);
  EXPECT_EQ(wire.lease_duration().nanos(), 500'000'000);
  EXPECT_EQ(wire.candidate(), "searches/s-1/candidates/2");
  EXPECT_EQ(wire.network().classes(), 10);
  EXPECT_EQ(wire.architecture().id(), "012");
  EXPECT_EQ(wire.train().epochs(), 3);
  EXPECT_EQ(wire.measure().runs(), 20);
  EXPECT_EQ(wire.seed(), 42u);
  EXPECT_EQ(wire.timeout().seconds(), 3600);
  EXPECT_EQ(answer.tasks(1).architecture().id(), "220");
}

TEST(TaskEncoder, ArchitecturesAreThoseThatResolveMakes) {
  const TaskEncoder spec(FullSpec().SerializeAsString());
  for (const core::Architecture& architecture : {core::Architecture{0, 0, 0}, {1, 1, 1}, {2, 1, 0}}) {
    const v1::LeaseTasksResponse answer = Answer(spec, {Task(1, architecture)});
    EXPECT_TRUE(
        MessageDifferencer::Equals(answer.tasks(0).architecture(), spec::Resolve(spec.spec().space(), architecture)));
  }
}

TEST(TaskEncoder, OneThatIsTooLargeToKeepInPartsIsServedAllTheSame) {
  v1::SearchSpec huge = FullSpec();
  // The text is part of every option.
  (*huge.mutable_space()->mutable_layers(0)->mutable_parameters()->mutable_fields())["text"].set_string_value(
      std::string(3 << 20, 'x'));
  const TaskEncoder spec(huge.SerializeAsString());
  EXPECT_LT(spec.bytes(), 8u << 20);
  const v1::LeaseTasksResponse answer = Answer(spec, {Task(1, {1, 1, 1})});
  EXPECT_TRUE(
      MessageDifferencer::Equals(answer.tasks(0).architecture(), spec::Resolve(spec.spec().space(), {{1, 1, 1}})));
}

}  // namespace
}  // namespace layernas
