#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/output/comparison.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/output/units.h"
#include "client/output/yaml.h"
#include "client/terminal.h"
#include "client/watch/progress_text.h"
#include "client/watch/watch_view.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {
namespace {

using ::testing::ElementsAre;

TEST(Units, ValuesHaveFiveDigitsAtMost) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0"},         {0.874261, "0.87426"}, {-1.5, "-1.5"},  {93.13, "93.13"},    {1024, "1024"},
      {99999, "99999"}, {100000, "100k"},      {999960, "1M"},  {7713280, "7.713M"}, {39.94e6, "39.94M"},
      {2.5e9, "2.5G"},  {1e12, "1T"},          {1e15, "1e+15"}, {1e-7, "1e-07"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(FormatValue(value), text);
}

TEST(Units, CountsHaveSeparators) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0"},
      {999, "999"},
      {1000, "1,000"},
      {6561, "6,561"},
      {-1234567, "-1,234,567"},
      {1e22, "1.00e+22"},
      {std::numeric_limits<double>::infinity(), "more than 1.79e+308"}};
  for (const auto& [count, text] : cases) EXPECT_EQ(FormatCount(count), text);
}

TEST(Units, ExactNumbersReadBackTheSame) {
  for (const double value : {0.1, 1.0 / 3, 7713280.0, 1e300, -2.5e-10}) {
    EXPECT_EQ(std::stod(FormatExact(value)), value);
  }
}

TEST(Units, ElapsedTimesHaveTwoUnitsAtMost) {
  const std::vector<std::pair<int, std::string>> cases = {{-3, "0s"},       {0, "0s"},        {59, "59s"},
                                                          {133, "2m13s"},   {3600, "1h00m"},  {18420, "5h07m"},
                                                          {86400, "1d00h"}, {273600, "3d04h"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(FormatElapsed(std::chrono::seconds(seconds)), text);
}

TEST(Table, AlignsColumnsAndKeepsControlCharactersOut) {
  Table table({"name", "cost"});
  table.AddRow({Cell::Text("näme"), Cell::Value(1.5)});
  table.AddRow({Cell::Text("x\x1b[31m"), Cell::Value(1000)});
  table.AddRow({Cell::Text(""), Cell::Empty()});
  std::ostringstream out;
  table.Print(out, /*color=*/false);
  EXPECT_EQ(out.str(),
            "name    cost\n"
            "näme     1.5\n"
            "x?[31m  1000\n"
            "-          -\n");
}

TEST(Table, ColoursOnlyWhereAllowed) {
  Table table({"state"});
  table.AddRow({Cell::Text("failed", Style::kBad)});
  std::ostringstream plain;
  table.Print(plain, /*color=*/false);
  EXPECT_EQ(plain.str(), "state\nfailed\n");
  std::ostringstream colored;
  table.Print(colored, /*color=*/true);
  EXPECT_EQ(colored.str(), "\x1b[2mstate\x1b[0m\n\x1b[31mfailed\x1b[0m\n");
}

TEST(Table, CsvIsExactAndQuoted) {
  Table table({"name", "a,b"});
  table.AddRow({Cell::Text("say \"hi\"\nthere"), Cell::Value(7713280.5)});
  table.AddRow({Cell::Empty(), Cell::Count(6561)});
  std::ostringstream out;
  table.PrintCsv(out, /*to_terminal=*/false);
  EXPECT_EQ(out.str(),
            "name,\"a,b\"\n"
            "\"say \"\"hi\"\"\nthere\",7713280.5\n"
            ",6561\n");
}

TEST(Json, ListsAreWholeWhateverTheirLength) {
  std::ostringstream empty;
  { const MessageList list(empty, "items", OutputFormat::kJson); }
  EXPECT_EQ(empty.str(), "{\"items\": []}\n");

  v1::AttemptFailure failure;
  failure.set_attempt(2);
  std::ostringstream out;
  {
    MessageList list(out, "items", OutputFormat::kJson);
    list.Add(failure);
    list.Add(failure);
  }
  const std::string item = R"({"attempt":2,"kind":"FAILURE_KIND_UNSPECIFIED","worker":"","message":""})";
  EXPECT_EQ(out.str(), "{\"items\": [\n" + item + ",\n" + item + "\n]}\n");
}

TEST(Json, WhatIsNotKnownIsNullInEveryMessage) {
  const auto print = [](const google::protobuf::Message& message) {
    std::ostringstream out;
    PrintJson(out, message, JsonLayout::kOneLine);
    return nlohmann::json::parse(out.str());
  };
  v1::WatchSearchResponse change;
  change.mutable_candidate()->set_state(v1::CANDIDATE_STATE_SKIPPED);
  change.mutable_candidate()->set_cost(9);
  EXPECT_EQ(print(change)["candidate"]["reward"], nullptr);
  EXPECT_EQ(print(change)["candidate"]["cost"], 9);
  change.mutable_candidate()->set_state(v1::CANDIDATE_STATE_STOPPED);
  change.mutable_candidate()->set_reward(0.5);
  EXPECT_EQ(print(change)["candidate"]["reward"], nullptr);
  EXPECT_EQ(print(change)["candidate"]["reward_estimate"], 0.5);
  change.mutable_candidate()->set_state(v1::CANDIDATE_STATE_FAILED);
  change.mutable_candidate()->set_cost(0);
  EXPECT_EQ(print(change)["candidate"]["cost"], nullptr);

  // A winner without a result of a full training, and one with a result.
  v1::Search search;
  search.add_winners()->set_trainings(2);
  v1::Winner& known = *search.add_winners();
  known.set_succeeded(1);
  known.set_reward(0.75);
  const auto expect_winners = [](const nlohmann::json& json) {
    for (const char* field : {"reward", "reward_deviation", "cost"}) EXPECT_EQ(json["winners"][0][field], nullptr);
    EXPECT_EQ(json["winners"][1]["reward"], 0.75);
    EXPECT_EQ(json["winners"][1]["reward_deviation"], 0);
  };
  expect_winners(print(search));
  *change.mutable_search() = search;
  expect_winners(print(change)["search"]);
  *change.mutable_snapshot() = search;
  expect_winners(print(change)["snapshot"]);
}

TEST(Yaml, ReadsBackAsTheSame) {
  const auto value = nlohmann::ordered_json::parse(
      R"({"name": "x-1", "on": "no", "texts": ["1", "true", "a: b", "", "-", "ümlaut", "line\nfeed"], "number": 0.5, "none": null,
          "deep": {"list": [{"a": 1, "b": []}, {"c": {}}, [1, 2], [[3]]]}})");
  const std::string text = ToYaml(value);
  EXPECT_EQ(
      text,
      "name: x-1\n\"on\": \"no\"\ntexts: [\"1\", \"true\", \"a: b\", \"\", \"-\", \"ümlaut\", \"line\\nfeed\"]\n"
      "number: 0.5\nnone: ~\ndeep:\n  list:\n    - a: 1\n      b: []\n    - c: {}\n    - [1, 2]\n    -\n      - [3]\n");
  EXPECT_EQ(ToYaml(nlohmann::ordered_json::object()), "{}\n");
}

TEST(Yaml, NumbersHaveAPointBeforeTheirExponent) {
  // YAML 1.1 parsers read 1e-05 as text.
  const auto value = nlohmann::ordered_json::parse("[1e-05, 1e+20, 5e-324, -2.5e-07, 1e-4, 1234568, true]");
  EXPECT_EQ(ToYaml(value), "[1.0e-05, 1.0e+20, 5.0e-324, -2.5e-07, 0.0001, 1234568, true]\n");
}

TEST(MessageLists, AreYamlToo) {
  v1::Bucket bucket;
  bucket.set_pass(1);
  std::ostringstream out;
  {
    MessageList list(out, "buckets", OutputFormat::kYaml);
    list.Add(bucket);
    list.Add(bucket);
  }
  EXPECT_EQ(out.str().substr(0, out.str().find("stage")), "buckets:\n- pass: 1\n  ");
  std::ostringstream none;
  { const MessageList list(none, "buckets", OutputFormat::kYaml); }
  EXPECT_EQ(none.str(), "buckets: []\n");
}

TEST(SearchText, NamesMayBeShort) {
  EXPECT_EQ(SearchName("shapes10-1").value(), "searches/shapes10-1");
  EXPECT_EQ(SearchName("searches/shapes10-1").value(), "searches/shapes10-1");
  for (const char* bad : {"", "searches/", "a/b", "searches/a/candidates/1", "A", "a b"}) {
    EXPECT_FALSE(SearchName(bad).ok()) << bad;
  }
  EXPECT_EQ(ShortName("searches/x-1/candidates/7"), "7");
}

v1::Search RunningSearch() {
  v1::Search search;
  search.set_name("searches/shapes10-1");
  search.set_state(v1::SEARCH_STATE_RUNNING);
  search.mutable_spec()->mutable_objective()->set_reward("accuracy");
  search.mutable_spec()->mutable_objective()->set_cost("latency_ms");
  v1::SearchProgress& progress = *search.mutable_progress();
  progress.set_pass(1);
  progress.set_stage(3);
  progress.set_stage_count(8);
  progress.set_layer("block3");
  progress.set_trainings(42);
  progress.set_trainings_budget(80);
  progress.set_queued(1);
  progress.set_leased(2);
  progress.set_succeeded(39);
  progress.set_failed(1);
  v1::TargetBest& met = *search.add_best();
  met.set_target(0.8);
  met.mutable_best()->set_reward(0.874);
  met.mutable_best()->set_cost(0.79);
  v1::TargetBest& unmet = *search.add_best();
  unmet.set_target(0.2);
  unmet.mutable_nearest()->set_cost(0.5);
  return search;
}

using Clock = std::chrono::system_clock;

constexpr Clock::time_point At(int seconds) { return Clock::time_point(std::chrono::seconds(seconds)); }

v1::WatchSearchResponse Ended(int number, v1::CandidateState state, double reward, int seconds) {
  v1::WatchSearchResponse change;
  v1::Candidate& candidate = *change.mutable_candidate();
  candidate.set_name("searches/shapes10-1/candidates/" + std::to_string(number));
  candidate.set_state(state);
  candidate.set_reward(reward);
  candidate.mutable_end_time()->set_seconds(seconds);
  if (state == v1::CANDIDATE_STATE_FAILED)
    candidate.add_failures()->set_message("exit code 1; standard error ended with:\nTraceback\nout of memory\n");
  return change;
}

std::vector<std::string> Lines(const WatchState& state, int seconds, int columns) {
  std::vector<std::string> lines;
  for (const ProgressLine& line : ProgressLines(state, At(seconds), columns)) lines.push_back(ToText(line, false));
  return lines;
}

TEST(ProgressLines, SayHowTheSearchStands) {
  WatchState state;
  v1::Search search = RunningSearch();
  search.mutable_create_time()->set_seconds(1000);
  search.set_waiting_for("a worker with device=gpu");
  state.Apply(search, Fleet{4, 8, 7, 1});
  EXPECT_THAT(
      Lines(state, 1080, 100),
      ElementsAre("search    shapes10-1 is running, stage 3/8 block3, 1m20s",
                  "progress  [##############--------------] 42/80 trainings",
                  "best      target 0.8: accuracy 0.874 at latency_ms 0.79",
                  "          nothing meets the target 0.2; the nearest costs 0.5",
                  "now       2 running, 1 queued, 39 succeeded, 0 infeasible, 1 failed",
                  "fleet     4 workers, 7 of 8 slots busy, 1 shunned", "waiting   for a worker with device=gpu"));
}

TEST(ProgressLines, WideCharactersFitToo) {
  WatchState state;
  v1::Search search = RunningSearch();
  for (int i = 0; i < 30; ++i) search.mutable_waiting_for()->append("機械");
  state.Apply(search, Fleet());
  // A character of two columns does not fit into the last one.
  EXPECT_EQ(Lines(state, 1080, 39).back(), "waiting   for 機械機械機械機械機械機械");
}

TEST(ProgressLines, EstimateTheEndAndShowWhatCameLast) {
  WatchState state;
  state.Apply(RunningSearch(), Fleet());
  for (int i = 0; i <= 10; ++i) state.Apply(Ended(i, v1::CANDIDATE_STATE_SUCCEEDED, 0.5 + 0.01 * i, 1000 + 2 * i));
  for (int i = 0; i < 5; ++i) state.Apply(Ended(20 + i, v1::CANDIDATE_STATE_FAILED, 0, 1020));
  const std::vector<std::string> lines = Lines(state, 1030, 200);
  // 15 more in 30 s; 40 are left.
  EXPECT_THAT(lines[1], ::testing::HasSubstr("42/80 trainings, 30 a minute, about 1m20s left, until "));
  EXPECT_EQ(lines[2], "accuracy  ▁▂▂▃▄▅▅▆▇▇█ 0.5 to 0.6 of the last 11");
  EXPECT_EQ(lines[6], "fleet     0 workers, 0 of 0 slots busy");
  EXPECT_EQ(lines[7], "failed    candidate 24 failed: out of memory");
  EXPECT_EQ(lines.size(), 10U);
}

TEST(ProgressLines, WhatIsStoppedEarlyHasNotFailed) {
  WatchState state;
  state.Apply(RunningSearch(), Fleet());
  v1::WatchSearchResponse stopped = Ended(7, v1::CANDIDATE_STATE_STOPPED, 0.3, 1000);
  stopped.mutable_candidate()->add_failures()->set_message("out of memory");
  stopped.mutable_candidate()->add_curve()->set_epoch(3);
  state.Apply(stopped);
  state.Apply(Ended(8, v1::CANDIDATE_STATE_STOPPED, 0.3, 1001));
  state.Apply(Ended(9, v1::CANDIDATE_STATE_FAILED, 0, 1002));
  const std::vector<std::string> lines = Lines(state, 1010, 100);
  EXPECT_THAT(lines, ::testing::Contains("failed    candidate 9 failed: out of memory"));
  EXPECT_THAT(lines, ::testing::Contains("stopped   candidate 8"));
  EXPECT_EQ(lines.back(), "          candidate 7 after epoch 3");
}

TEST(LineView, TellsTargetsApartThatAreAlmostEqual) {
  v1::WatchSearchResponse change;
  *change.mutable_search() = RunningSearch();
  change.mutable_search()->clear_best();
  for (const double target : {1234567.1, 1234567.2}) {
    v1::TargetBest& best = *change.mutable_search()->add_best();
    best.set_target(target);
    best.mutable_best()->set_cost(target - 1000000);
    best.mutable_best()->set_reward(target - 1234567);
  }
  std::ostringstream out;
  std::ostringstream err;
  const std::unique_ptr<WatchView> view = MakeLineView(Terminal{out, err});
  view->Show(change);
  const std::string first = out.str();
  EXPECT_THAT(first, ::testing::HasSubstr("best for target"));
  // Nothing has changed, so nothing is printed.
  view->Show(change);
  EXPECT_EQ(out.str(), first);
}

TEST(LineView, QuotesNoFailureOfWhatWasStopped) {
  v1::WatchSearchResponse stopped = Ended(7, v1::CANDIDATE_STATE_STOPPED, 0.3, 1000);
  stopped.mutable_candidate()->add_failures()->set_message("out of memory");
  std::ostringstream out;
  std::ostringstream err;
  MakeLineView(Terminal{out, err})->Show(stopped);
  EXPECT_THAT(out.str(), ::testing::HasSubstr("candidate 7"));
  EXPECT_THAT(out.str(), ::testing::Not(::testing::HasSubstr("out of memory")));
}

TEST(BestWithin, ASumThatIsRoundedMeetsItsTarget) {
  v1::GetFrontierResponse frontier;
  for (const double cost : {0.25, 0.1 + 0.2, 0.4}) frontier.add_points()->set_cost(cost);
  EXPECT_EQ(BestWithin(frontier, 0.3), &frontier.points(1));
  EXPECT_EQ(BestWithin(frontier, 0.2), nullptr);
}

TEST(OneLine, KeepsBothEndsOfALongMessage) {
  EXPECT_EQ(OneLine("exit code 1:\nTraceback\n\tMemoryError"), "exit code 1: Traceback |  MemoryError");
  const std::string text = OneLine("exit code 1\n" + std::string(2000, 'x') + "\nMemoryError");
  EXPECT_LT(text.size(), 310U);
  EXPECT_THAT(text, ::testing::StartsWith("exit code 1 | xx"));
  EXPECT_THAT(text, ::testing::EndsWith("xx | MemoryError"));
}

TEST(ProgressLines, FitTheTerminal) {
  WatchState state;
  state.Apply(RunningSearch(), Fleet());
  state.Apply(Ended(1, v1::CANDIDATE_STATE_SUCCEEDED, 0.5, 1000));
  for (const std::string& line : Lines(state, 80, 24)) EXPECT_LE(Width(line), 24U) << line;
}

// The cursor cannot move above the first row.
TEST(ProgressLines, FitTheRows) {
  std::vector<ProgressLine> lines(10, {"label", "text"});
  FitInto(10, true, lines);
  EXPECT_EQ(lines.size(), 10U);
  FitInto(4, true, lines);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines.back().text, "… 7 more lines");
}

TEST(Output, OfNoFormatSteersATerminal) {
  // Control sequences of one and two characters, and a mark that reverses the following text.
  const std::string hostile = "w\u009b1m\x1b[2J\u202egnp\x7f größe";
  v1::Candidate candidate;
  candidate.set_worker(hostile);
  for (const OutputFormat format : {OutputFormat::kJson, OutputFormat::kYaml}) {
    std::ostringstream out;
    PrintMessage(out, candidate, format);
    EXPECT_EQ(Printable(out.str(), Unprintable::kMarkInLines), out.str());
    if (format == OutputFormat::kJson) {
      EXPECT_EQ(nlohmann::json::parse(out.str())["worker"], hostile);
    }
  }
  std::ostringstream plain;
  candidate.set_worker("größe");
  PrintMessage(plain, candidate, OutputFormat::kJson);
  EXPECT_THAT(plain.str(), ::testing::HasSubstr("größe"));
  Table table({"worker"});
  table.AddRow({Cell::Text(hostile)});
  const auto csv = [&table](bool to_terminal) {
    std::ostringstream out;
    table.PrintCsv(out, to_terminal);
    return out.str();
  };
  EXPECT_EQ(csv(false), "worker\n" + hostile + "\n");
  EXPECT_EQ(csv(true), "worker\nw?1m?[2J?gnp? größe\n");
}

TEST(ProgressLines, KeepTheCountWhereThereIsLittleRoom) {
  WatchState state;
  state.Apply(RunningSearch(), Fleet());
  EXPECT_EQ(Lines(state, 80, 40)[1], "progress  [######------] 42/80 trainings");
  EXPECT_EQ(Lines(state, 80, 30)[1], "progress  42/80 trainings");
}

TEST(ProgressLines, AreAsciiWhereTheTerminalIs) {
  WatchState state;
  state.Apply(RunningSearch(), Fleet());
  for (int i = 0; i < 8; ++i) state.Apply(Ended(i, v1::CANDIDATE_STATE_SUCCEEDED, 0.1 * i, 1000 + i));
  const std::vector<ProgressLine> lines = ProgressLines(state, At(1030), 100, /*unicode=*/false);
  EXPECT_EQ(lines[2].text, ".:-=+*#@ 0 to 0.7 of the last 8");
  EXPECT_EQ(ToAscii("retrying… größe"), "retrying... gr??e");
}

TEST(Terminal, ShowsAsciiWhereTheEncodingAsksForIt) {
  std::ostringstream out;
  EXPECT_EQ((Terminal{out, out}.Shown("größe…\n\x1b")), "größe…??");
  const Terminal ascii{out, out, false, false, nullptr, /*unicode=*/false};
  EXPECT_EQ(ascii.Shown("größe…\n\x1b", Unprintable::kMarkInLines), "gr??e...\n?");
}

TEST(Terminal, IsAScreenWhateverTermSays) {
  const int before = ::dup(STDOUT_FILENO);
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  ::fflush(stdout);
  ::dup2(slave, STDOUT_FILENO);
  for (const char* term : {"", "dumb", "xterm"}) {
    ::setenv("TERM", term, 1);
    if (*term == '\0') ::unsetenv("TERM");
    const Terminal terminal = Terminal::Standard();
    EXPECT_TRUE(terminal.IsScreen()) << term;
    EXPECT_EQ(terminal.interactive, std::string(term) == "xterm") << term;
  }
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  ::dup2(pipes[1], STDOUT_FILENO);
  EXPECT_FALSE(Terminal::Standard().IsScreen());
  ::dup2(before, STDOUT_FILENO);
  for (const int fd : {before, master, slave, pipes[0], pipes[1]}) ::close(fd);
}

TEST(Units, ATimeHasItsZone) {
  google::protobuf::Timestamp time;
  time.set_seconds(1'770'130'000);
  const auto in_zone = [&](const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
    EXPECT_EQ(FormatTime(time), "2026-02-03 " + FormatTimeOfDay(time)) << zone;
    return FormatTime(time);
  };
  EXPECT_EQ(in_zone("EST5EDT,M3.2.0,M11.1.0"), "2026-02-03 09:46:40-05:00");
  EXPECT_EQ(in_zone("<+0530>-5:30"), "2026-02-03 20:16:40+05:30");
  EXPECT_EQ(in_zone("UTC0"), "2026-02-03 14:46:40+00:00");
  EXPECT_EQ(FormatExactTime(time), "2026-02-03T14:46:40Z");
}

TEST(WatchState, KeepsTheNewestSearch) {
  WatchState state;
  v1::Search search = RunningSearch();
  search.set_sequence(7);
  search.mutable_progress()->set_trainings(50);
  state.Apply(search, Fleet());
  v1::WatchSearchResponse old;
  *old.mutable_search() = RunningSearch();
  old.mutable_search()->set_sequence(6);
  state.Apply(old);
  EXPECT_EQ(state.search().progress().trainings(), 50);
}

TEST(WatchState, ItsRateFallsWhenNothingComes) {
  WatchState state;
  EXPECT_FALSE(state.Rate(At(1000)).has_value());
  for (int i = 0; i <= 300; ++i) state.Apply(Ended(i, v1::CANDIDATE_STATE_SUCCEEDED, 0.5, 1000 + i));
  EXPECT_NEAR(state.Rate(At(1300)).value(), 1, 0.01);
  EXPECT_NEAR(state.Rate(At(1300 + 199)).value(), 0.5, 0.01);
  EXPECT_EQ(state.rewards().size(), 301U);
}

TEST(Sparkline, ShowsTheHighestOfEachGroup) {
  EXPECT_EQ(Sparkline(std::vector<double>{}, 5), "");
  EXPECT_EQ(Sparkline(std::vector<double>{3, 3}, 5), "██");
  EXPECT_EQ(Sparkline(std::vector<double>{0, 7}, 5), "▁█");
  EXPECT_EQ(Sparkline(std::vector<double>{0, 1, 0, 7, 3, 0}, 3), "▁█▃");
}

TEST(ProgressBar, IsFullAtTheEndAndNeverFuller) {
  EXPECT_EQ(ProgressBar(0, 10, 7), "[-----]");
  EXPECT_EQ(ProgressBar(4, 10, 7), "[##---]");
  EXPECT_EQ(ProgressBar(10, 10, 7), "[#####]");
  EXPECT_EQ(ProgressBar(11, 10, 7), "[#####]");
}

}  // namespace
}  // namespace layernas::client
