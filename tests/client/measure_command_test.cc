// Tests the whole command `layernas measure lut`, with shell scripts as evaluators, and with the
// real one if it is built.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/client/call.h"

namespace layernas::client {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSpec[] = R"(name: small
space:
  network: { input: [3, 32, 32], classes: 10, stem_channels: 8, head_channels: 32, parameters: { stem_stride: 2 } }
  layers:
    - { name: a, channels: 8, options: [skip, conv_k3, mbconv_k3_e3] }
    - { name: b, channels: 16, stride: 2, options: [skip, conv_k3, mbconv_k3_e3] }
    - { name: c, channels: 16, options: [skip, conv_k3, mbconv_k3_e3] }
    - { name: d, channels: 16, options: [skip, conv_k3, mbconv_k3_e3] }
objective: { cost: latency_ms, targets: [100] }
strategy: { guided_layernas: {} }
budget: { trainings: 20 }
evaluation: { measure: { warm_up: 2, runs: 20, max_runs: 60 }, timeout: 20s, attempts: 2 }
)";

class MeasureCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "layernas-measure-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::ofstream(Path("spec.yaml")) << kSpec;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // The evaluator runs `script` for each line of its input, in $line.
  Outcome Measure(const std::string& script, const std::vector<std::string>& more = {"--networks", "20"}) {
    std::ofstream(Path("evaluator.sh")) << "while read -r line; do\n" << script << "\ndone\n";
    std::vector<std::string> arguments = {"measure",          "lut",       Path("spec.yaml"),
                                          Path("table.json"), "--command", "bash " + Path("evaluator.sh"),
                                          "--held-out",       "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return CallLocally(arguments);
  }

  fs::path folder_;
};

// 1, plus 1 for each conv and 2 for each mbconv.
constexpr char kCounts[] =
    "conv=$(echo \"$line\" | grep -o '\"conv_k3\"' | wc -l); mbconv=$(echo \"$line\" | grep -o '\"mbconv_k3_e3\"' | wc "
    "-l)\n"
    "echo \"{\\\"result\\\": {\\\"metrics\\\": {\\\"latency_ms\\\": $((1 + conv + 2 * mbconv))}}}\"";

TEST_F(MeasureCommand, TheTableIsWhatTheNetworksSay) {
  const Outcome done = Measure(kCounts);
  ASSERT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("20 fitted, 8 held out"), HasSubstr("median 0.0 %")));
  EXPECT_THAT(done.err, HasSubstr("\nchecking the measurements\n"));
  std::ifstream in(Path("table.json"));
  const nlohmann::json table = nlohmann::json::parse(in);
  EXPECT_EQ(table["metric"], "latency_ms");
  EXPECT_EQ(table["error"]["networks"], 8);
  EXPECT_LT(table["error"]["median"], 0.001);
  EXPECT_EQ(table["networks"].size(), 28U);
  const nlohmann::json& options = table["space"]["layers"][1]["options"];
  EXPECT_EQ(options[2]["name"], "mbconv_k3_e3");
  EXPECT_NEAR(options[2]["costs"]["latency_ms"].get<double>(), 2, 0.01);
  EXPECT_NEAR(table["space"]["base_costs"]["latency_ms"].get<double>(), 1, 0.01);

  const Outcome valid = CallLocally({"validate", Path("spec.yaml"), "--costs", Path("table.json")});
  EXPECT_EQ(valid.code, ExitCode::kOk) << valid.err;
  EXPECT_THAT(valid.out, HasSubstr("latency_ms, known per layer"));
  EXPECT_THAT(CallLocally({"validate", Path("spec.yaml")}).out, HasSubstr("measured for each architecture"));
}

TEST_F(MeasureCommand, ATableOfSomethingElseIsRefused) {
  ASSERT_EQ(Measure(kCounts).code, ExitCode::kOk);
  const auto refusal = [this](const std::string& from, const std::string& to) {
    std::string text = kSpec;
    text.replace(text.find(from), from.size(), to);
    std::ofstream(Path("other.yaml")) << text;
    const Outcome done = CallLocally({"validate", Path("other.yaml"), "--costs", Path("table.json")});
    EXPECT_EQ(done.code, ExitCode::kUsage) << to;
    return done.err;
  };
  EXPECT_THAT(refusal("latency_ms", "energy_mj"), HasSubstr("the table has costs for latency_ms"));
  EXPECT_THAT(refusal("classes: 10", "classes: 12"), HasSubstr("for another network"));
  EXPECT_THAT(refusal("runs: 20", "batch: 8, runs: 20"), HasSubstr("another batch"));
  EXPECT_THAT(refusal("runs: 20", "precision: bfloat16, runs: 20"), HasSubstr("another batch, precision"));
  EXPECT_THAT(refusal("conv_k3", "conv_k5"), HasSubstr("no option \"conv_k5\" of layer \"a\""));
  EXPECT_THAT(refusal("name: d, channels: 16", "name: d, channels: 24"), HasSubstr("of layer \"d\" with the same"));
  EXPECT_THAT(refusal("mbconv_k3_e3] }", "{ name: mbconv_k3_e3, costs: { latency_ms: 1 } }] }"),
              HasSubstr("already have costs for latency_ms"));
  // Fewer options than were measured are fine.
  std::string fewer = kSpec;
  fewer.replace(fewer.find("skip, conv_k3"), 13, "conv_k3");
  std::ofstream(Path("fewer.yaml")) << fewer;
  EXPECT_EQ(CallLocally({"validate", Path("fewer.yaml"), "--costs", Path("table.json")}).code, ExitCode::kOk);
  const std::string deep = "{\"metric\": \"latency_ms\", \"space\": {}, \"measure\": {\"parameters\": {\"a\": " +
                           std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}}}";
  for (const std::string& text :
       std::vector<std::string>{"", deep, "rubbish", "[]", "{\"metric\": \"latency_ms\"}",
                                "{\"metric\": \"latency_ms\", \"measure\": {}, \"space\": {\"layers\": 3}}"}) {
    std::ofstream(Path("table.json")) << text;
    const Outcome done = CallLocally({"validate", Path("spec.yaml"), "--costs", Path("table.json")});
    EXPECT_EQ(done.code, ExitCode::kUsage) << text.substr(0, 200);
    EXPECT_THAT(done.err, HasSubstr("--costs " + Path("table.json"))) << text.substr(0, 200);
  }
  EXPECT_THAT(CallLocally({"validate", Path("spec.yaml"), "--costs", Path("none")}).err, HasSubstr("No such file"));
}

TEST_F(MeasureCommand, ABadEvaluatorIsAnErrorThatSaysWhatItDid) {
  const auto fails = [this](const std::string& script, const std::string& message) {
    const Outcome done = Measure(script);
    EXPECT_NE(done.code, ExitCode::kOk) << script;
    EXPECT_THAT(done.err, HasSubstr(message)) << script;
    EXPECT_FALSE(fs::exists(Path("table.json"))) << script;
  };
  fails("echo '{Segmentation fault'", "breaks the protocol");
  fails("echo out of memory >&2; exit 3", "out of memory");
  fails("echo '{\"failure\": {\"kind\": \"retry\", \"message\": \"too noisy\"}}'",
        "could not be measured in 2 attempts: too noisy");
  fails("echo '{\"failure\": {\"kind\": \"infeasible\", \"message\": \"no such block\"}}'",
        "none of the first 10 networks could be measured: no such block");
  fails("echo '{\"result\": {\"metrics\": {\"energy_mj\": 3}}}'", "does not report latency_ms; it reports energy_mj");
  fails(
      "echo '{\"result\": {\"metrics\": {\"latency_ms\": -1}}}'",
      "none of the first 10 networks could be measured: the evaluator reported a latency_ms of -1; a table needs costs "
      "above 0");
}

// Answers the requests from number `first` to `last` with 0 and counts all of them.
std::string WithZeros(const std::string& counter, int first, int last) {
  return "n=$(cat " + counter + " 2>/dev/null || echo 0); n=$((n + 1)); echo $n > " + counter + "\nif [ $n -ge " +
         std::to_string(first) + " ] && [ $n -le " + std::to_string(last) +
         " ]; then echo '{\"result\": {\"metrics\": {\"latency_ms\": 0}}}'; continue; fi\n" + kCounts;
}

TEST_F(MeasureCommand, ABadReadingIsTakenAgain) {
  const Outcome done = Measure(WithZeros(Path("n"), 12, 13));
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("20 fitted, 8 held out\n"), HasSubstr("median 0.0 %")));
  EXPECT_THAT(done.err, Not(HasSubstr("skipped")));
  int requests = 0;
  std::ifstream(Path("n")) >> requests;
  EXPECT_EQ(requests, 30);
}

TEST_F(MeasureCommand, ANetworkOfBadReadingsIsLeftOut) {
  const Outcome done = Measure(WithZeros(Path("n"), 12, 14));
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, HasSubstr("; 1 could not be measured\n"));
  EXPECT_THAT(done.err, HasSubstr(": the evaluator reported a latency_ms of 0; a table "
                                  "needs costs above 0\n"));
  int requests = 0;
  std::ifstream(Path("n")) >> requests;
  EXPECT_EQ(requests, 30);
}

// Answers request number `number` with `latency_ms`.
std::string WithReading(const std::string& counter, int number, const std::string& latency_ms) {
  return "n=$(cat " + counter + " 2>/dev/null || echo 0); n=$((n + 1)); echo $n > " + counter + "\nif [ $n -eq " +
         std::to_string(number) + " ]; then echo '{\"result\": {\"metrics\": {\"latency_ms\": " + latency_ms +
         "}}}'; continue; fi\n" + kCounts;
}

TEST_F(MeasureCommand, AnImplausibleReadingIsTakenAgain) {
  for (const std::string reading : {"0.5", "1e-6", "1e-300", "1e12", "1e300"}) {
    fs::remove(Path("n"));
    const Outcome done = Measure(WithReading(Path("n"), 12, reading));
    EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
    EXPECT_THAT(done.out, AllOf(HasSubstr("20 fitted, 8 held out\n"), HasSubstr("median 0.0 %"))) << reading;
    EXPECT_THAT(done.err, AllOf(HasSubstr("measured architecture "), HasSubstr(" again: latency_ms of "))) << reading;
    int requests = 0;
    std::ifstream(Path("n")) >> requests;
    EXPECT_EQ(requests, 30) << reading;
  }
}

// Answers each request for the architecture of the 12th request with `latency_ms`, a word of a shell
// script.
std::string WithSteadyReading(const std::string& folder, const std::string& latency_ms) {
  const std::string bad = folder + "/bad";
  return "n=$(cat " + folder + "/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > " + folder +
         "/n; network=${line#*layers}; network=${network%%]*}\n" + "if [ $n -eq 12 ]; then echo \"$network\" > " + bad +
         "; fi\nif [ \"$network\" = \"$(cat " + bad +
         " 2>/dev/null)\" ]; then echo \"{\\\"result\\\": {\\\"metrics\\\": {\\\"latency_ms\\\": " + latency_ms +
         "}}}\"; continue; fi\n" + kCounts;
}

TEST_F(MeasureCommand, AnArchitectureWhoseReadingsStayAbsurdIsLeftOut) {
  // The last is of readings that differ.
  for (const std::string reading : {"1e-300", "1e300", "$((n == 12 ? 2000 : n == 29 ? 50000 : 900000))"}) {
    fs::remove(Path("n"));
    fs::remove(Path("bad"));
    const Outcome done = Measure(WithSteadyReading(folder_.string(), reading));
    EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
    EXPECT_THAT(done.out, AllOf(HasSubstr("; 1 could not be measured\n"), HasSubstr("median 0.0 %"))) << reading;
    EXPECT_THAT(done.err,
                AllOf(HasSubstr("skipped architecture "), HasSubstr(" is absurd; the median of the networks")))
        << reading;
  }
}

// As of an option that runs on another processor.
TEST_F(MeasureCommand, AReadingThatAnotherConfirmsIsKept) {
  const Outcome done = Measure(WithSteadyReading(folder_.string(), "3000"));
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, HasSubstr("28 in "));
  EXPECT_THAT(done.err, AllOf(HasSubstr("uses 3000"), Not(HasSubstr("skipped"))));
}

// Costs of layers multiply: the most expensive network costs 81 times as much as the cheapest.
TEST_F(MeasureCommand, CostsThatDoNotAddUpKeepAllNetworks) {
  std::string script = kCounts;
  script.replace(script.find("$((1 + conv + 2 * mbconv))"), 26, "$((2 ** conv * 3 ** mbconv))");
  const Outcome done = Measure(script, {"--networks", "30"});
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, HasSubstr("30 fitted, 8 held out\n"));
  EXPECT_THAT(done.err, Not(HasSubstr("skipped")));
}

// As kCounts on a machine that becomes slower with each request; a script sets `drift` before it.
constexpr char kCalibrated[] =
    "conv=$(echo \"$line\" | grep -o '\"conv_k3\"' | wc -l); mbconv=$(echo \"$line\" | grep -o '\"mbconv_k3_e3\"' | wc "
    "-l)\n"
    "cost=$((1 + conv + 2 * mbconv)); n=$(cat $counter 2>/dev/null || echo 0); n=$((n + 1)); echo $n > $counter\n"
    "ratio=\", \\\"latency_ratio\\\": $cost, \\\"latency_reference_ms\\\": $n\"\n"
    "case \" $without \" in *\" $n \"*) ratio=; esac\n"
    "echo \"{\\\"result\\\": {\\\"metrics\\\": {\\\"latency_ms\\\": $((n * cost))$ratio}}}\"";

TEST_F(MeasureCommand, OneReadingWithoutARatioKeepsTheCalibration) {
  const std::string counter = "counter=" + Path("n") + "\n";
  // Before a network had a ratio, and after.
  const Outcome done = Measure(counter + "without='1 12'\n" + kCalibrated);
  ASSERT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("= latency_ratio x "), HasSubstr("median 0.0 %"),
                              HasSubstr("; 1 could not be measured\n")));
  EXPECT_THAT(done.err, HasSubstr(": the evaluator did not report latency_ratio and latency_reference_ms as for other "
                                  "networks\n"));
  int requests = 0;
  std::ifstream(Path("n")) >> requests;
  EXPECT_EQ(requests, 29);
}

TEST_F(MeasureCommand, AnOptionThatIsInfeasibleEverywhereIsReportedWithTheReason) {
  const Outcome done = Measure(std::string("case \"$line\" in *'\"name\":\"a\",\"option\":\"mbconv_k3_e3\"'*) echo "
                                           "'{\"failure\": {\"kind\": \"infeasible\", \"message\": "
                                           "\"mbconv does not run here\"}}'; continue; esac\n") +
                                   kCounts,
                               {"--networks", "20"});
  EXPECT_EQ(done.code, ExitCode::kError);
  EXPECT_THAT(done.err, AllOf(HasSubstr("has option \"mbconv_k3_e3\""), HasSubstr("mbconv does not run here")));
}

TEST_F(MeasureCommand, AnEvaluatorThatDiesOrFailsNowAndThenIsAskedAgain) {
  const std::string every_third = "n=$(cat " + Path("n") + " 2>/dev/null || echo 0); echo $((n + 1)) > " + Path("n") +
                                  "\nif [ $((n % 3)) = 1 ]; then exit 1; fi\n";
  const Outcome done = Measure(every_third + kCounts);
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
}

TEST_F(MeasureCommand, WhatWasMeasuredBeforeAnInterruptionIsNotMeasuredAgain) {
  // Fails permanently after 12 networks, until another file exists.
  const std::string script = "n=$(cat " + Path("n") + " 2>/dev/null || echo 0); if [ $n -ge 12 ] && [ ! -e " +
                             Path("more") + " ]; then exit 1; fi; echo $((n + 1)) > " + Path("n") + "\n" + kCounts;
  const Outcome broken = Measure(script);
  EXPECT_EQ(broken.code, ExitCode::kError);
  EXPECT_THAT(broken.err, HasSubstr("12 measurements are kept in " + Path("table.json.partial")));
  std::ofstream(Path("more")) << "yes";
  const Outcome done = Measure(script);
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.err, HasSubstr("12 were measured before"));
  EXPECT_THAT(done.out, AllOf(HasSubstr("20 fitted, 8 held out"), HasSubstr("median 0.0 %")));
  int measured = 0;
  std::ifstream(Path("n")) >> measured;
  EXPECT_EQ(measured, 28);
  EXPECT_FALSE(fs::exists(Path("table.json.partial")));
}

TEST_F(MeasureCommand, AMetricThatIsNotReportedIsSaidAfterOneNetworkWhichIsKept) {
  const std::string counted = "echo >> " + Path("n") + "\n" + kCounts;
  const auto measured = [this] {
    std::ifstream in(Path("n"));
    return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
  };
  const Outcome misspelt = Measure(counted, {"--networks", "20", "--metric", "latency_p95"});
  EXPECT_EQ(misspelt.code, ExitCode::kError);
  EXPECT_THAT(misspelt.err, AllOf(HasSubstr("does not report latency_p95; it reports latency_ms"),
                                  HasSubstr("1 measurements are kept in " + Path("table.json.partial"))));
  EXPECT_EQ(measured(), 1);
  const Outcome done = Measure(counted);
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_EQ(measured(), 28);
}

TEST_F(MeasureCommand, WhatWasKeptWithoutTheMetricIsMeasuredAgain) {
  EXPECT_THAT(Measure("echo '{\"result\": {\"metrics\": {\"latency_ms\": -1}}}'").err,
              HasSubstr("10 measurements are kept"));
  const Outcome done = Measure(kCounts);
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("20 fitted, 8 held out"), HasSubstr("median 0.0 %")));
}

TEST_F(MeasureCommand, ATableThatCannotBeWrittenLosesNoMeasurement) {
  const Outcome done = Measure("mkdir -p " + Path("table.json") + "\n" + kCounts);
  EXPECT_EQ(done.code, ExitCode::kError);
  EXPECT_THAT(done.err, HasSubstr("28 measurements are kept in " + Path("table.json.partial")));
  fs::remove(Path("table.json"));
  // No measurement is repeated.
  EXPECT_THAT(Measure("exit 1").err, HasSubstr("28 were measured before"));
  EXPECT_TRUE(fs::exists(Path("table.json")));
}

TEST_F(MeasureCommand, ANetworkWhoseMetricIsNotANumberIsLeftOutWhateverTheSpecsCost) {
  const std::string script =
      "energy=3; if [ $(echo \"$line\" | grep -o '\"skip\"' | wc -l) -ge 3 ]; then energy=null; fi\n"
      "echo \"{\\\"result\\\": {\\\"metrics\\\": {\\\"latency_ms\\\": 1, \\\"energy_mj\\\": $energy}}}\"";
  const Outcome done = Measure(script, {"--networks", "30", "--metric", "energy_mj"});
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, HasSubstr("could not be measured"));
}

TEST_F(MeasureCommand, WhatWasKeptOfAnotherSpecIsNotTaken) {
  const std::string dies = "n=$(cat " + Path("n") +
                           " 2>/dev/null || echo 0); if [ $n -eq 5 ]; then exit 1; fi; echo $((n + 1)) > " + Path("n") +
                           "\n" + kCounts;
  EXPECT_EQ(Measure(dies).code, ExitCode::kError);
  std::string text = kSpec;
  text.replace(text.find("stem_channels: 8"), 16, "stem_channels: 4");
  std::ofstream(Path("spec.yaml")) << text;
  const Outcome done = Measure(kCounts);
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.err,
              AllOf(Not(HasSubstr("measured before")), HasSubstr("moved to " + Path("table.json.partial.old"))));
  EXPECT_TRUE(fs::exists(Path("table.json.partial.old")));
}

// As with another GPU, or another LAYERNAS_DEVICE.
TEST_F(MeasureCommand, WhatWasKeptOfAnotherDeviceIsNotTaken) {
  const std::string counts = kCounts;
  const auto of_machine = [&counts](int fingerprint, int factor) {
    std::string script = counts;
    script.replace(script.find("$((1 +"), 6, "$((" + std::to_string(factor) + " * (1 +");
    script.replace(script.find("mbconv))"), 8, "mbconv))),\\\"machine_fingerprint\\\":" + std::to_string(fingerprint));
    return script;
  };
  const std::string dies = "n=$(cat " + Path("n") +
                           " 2>/dev/null || echo 0); if [ $n -eq 9 ]; then exit 1; fi; echo $((n + 1)) > " + Path("n");
  EXPECT_EQ(Measure(dies + "\n" + of_machine(111, 10)).code, ExitCode::kError);
  const Outcome done = Measure(of_machine(222, 1));
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.err,
              HasSubstr("from another machine or device and were moved to " + Path("table.json.partial.old")));
  EXPECT_THAT(done.out, HasSubstr("median 0.0 %"));
}

// As from a farm of devices that gives each request another one.
TEST_F(MeasureCommand, MeasurementsOfDifferentDevicesAreNotMixed) {
  std::string script = kCounts;
  script.replace(script.find("mbconv))"), 8, "mbconv)),\\\"machine_fingerprint\\\":$n");
  const Outcome done =
      Measure("n=$(cat " + Path("n") + " 2>/dev/null || echo 0); echo $((n + 1)) > " + Path("n") + "\n" + script);
  EXPECT_EQ(done.code, ExitCode::kError);
  EXPECT_THAT(done.err, HasSubstr("was measured on another machine or device than the others"));
  EXPECT_FALSE(fs::exists(Path("table.json")));
}

TEST_F(MeasureCommand, OneThatIsSilentIsGivenUp) {
  std::string text = kSpec;
  text.replace(text.find("timeout: 20s, attempts: 2"), 25, "timeout: 1s, attempts: 1");
  std::ofstream(Path("spec.yaml")) << text;
  const Outcome done = Measure("sleep 1000");
  EXPECT_EQ(done.code, ExitCode::kError);
  EXPECT_THAT(done.err, HasSubstr("no result within the timeout of 1s"));
}

TEST_F(MeasureCommand, WrongWishesAreRefusedBeforeAnythingIsMeasured) {
  EXPECT_THAT(Measure(kCounts, {"--metric", "params"}).err, HasSubstr("objective.counted"));
  EXPECT_THAT(Measure(kCounts, {"--networks", "100"}).err, HasSubstr("only 81 architectures"));
  EXPECT_THAT(CallLocally({"measure", "lut", Path("spec.yaml"), Path("table.json"), "--networks", "20", "--held-out",
                           "8", "--command", "/nonexistent/program"})
                  .err,
              AllOf(HasSubstr("/nonexistent/program"), Not(HasSubstr("measuring"))));
  EXPECT_EQ(CallLocally({"measure", "lut", Path("spec.yaml")}).code, ExitCode::kUsage);
  EXPECT_THAT(CallLocally({"measure", "lut", Path("spec.yaml"), ""}).err, HasSubstr("TABLE is empty"));
  EXPECT_THAT(CallLocally({"measure", "lut", Path("spec.yaml"), folder_.string()}).err, HasSubstr("is a directory"));
  EXPECT_THAT(CallLocally({"measure", "lut", Path("spec.yaml"), folder_.string() + "/./spec.yaml"}).err,
              HasSubstr("spec.yaml is the spec: name another file"));
  EXPECT_THAT(CallLocally({"measure", "lut", Path("spec.yaml"), "-"}).err, HasSubstr("TABLE: the table cannot go"));
}

TEST_F(MeasureCommand, TheCommandNeedNotBeUtf8) {
  std::ofstream(Path("\xff.sh")) << "while read -r line; do\n" << kCounts << "\ndone\n";
  const Outcome done = CallLocally({"measure", "lut", Path("spec.yaml"), Path("table.json"), "--networks", "20",
                                    "--held-out", "8", "--command", "sh " + Path("\xff.sh")});
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
}

TEST_F(MeasureCommand, MeasuresForReal) {
  if (!fs::exists(fs::path(LAYERNAS_BIN) / "layernas-trainer")) GTEST_SKIP() << "layernas-trainer is not built";
  const Outcome done = CallLocally(
      {"measure", "lut", Path("spec.yaml"), Path("table.json"), "--networks", "6", "--held-out", "5"}, LAYERNAS_BIN);
  ASSERT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, HasSubstr("latency_ms = latency_ratio x "));
  const Outcome valid = CallLocally({"validate", Path("spec.yaml"), "--costs", Path("table.json")});
  EXPECT_EQ(valid.code, ExitCode::kOk) << valid.err;
}

}  // namespace
}  // namespace layernas::client
