#include "client/spec/spec_reader.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace layernas::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<std::string> Lines(const SpecFile& file) {
  std::vector<std::string> lines;
  for (const Mistake& mistake : file.mistakes) lines.push_back(FormatMistake(file.name, mistake));
  return lines;
}

std::vector<std::string> MistakesOf(std::string_view yaml) { return Lines(ReadSpecText("s.yaml", yaml)); }

TEST(SpecReader, ReadsEveryKindOfField) {
  const SpecFile file = ReadSpecText("s.yaml", R"(
name: every-kind
space:
  network: {input: [3, 32, 32], classes: 10, parameters: {pool: avg, sizes: [1, 2.5], deep: {on: true, off: null, text: "7"}}}
  layers:
    - name: block1
      options: [skip, mbconv_k3_e3, {name: big, costs: {ms: 4.5e0}, parameters: {se: 0.25}}]
      default: skip
      channels: 16
    - {name: "2", options: [a]}
objective: {reward: accuracy, cost: latency_ms, targets: [0.8, 1]}
strategy:
  layernas: {buckets: 20, order: reverse, passes: 2}
  seed: 4294967295
budget: {trainings: 80, duration: 1h30m}
evaluation:
  train: {dataset: cifar10, epochs: 2, learning_rate: 5e-2, augment: false}
  measure: {warm_up: 0}
  require: {device: cpu, 1: 2}
  timeout: 1500ms
)");
  ASSERT_THAT(Lines(file), IsEmpty());
  v1::SearchSpec expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        name: "every-kind"
        space {
          network {
            input: [ 3, 32, 32 ]
            classes: 10
            parameters {
              fields {
                key: "pool"
                value { string_value: "avg" }
              }
              fields {
                key: "sizes"
                value {
                  list_value {
                    values { number_value: 1 }
                    values { number_value: 2.5 }
                  }
                }
              }
              fields {
                key: "deep"
                value {
                  struct_value {
                    fields {
                      key: "on"
                      value { bool_value: true }
                    }
                    fields {
                      key: "off"
                      value { null_value: NULL_VALUE }
                    }
                    fields {
                      key: "text"
                      value { string_value: "7" }
                    }
                  }
                }
              }
            }
          }
          layers {
            name: "block1"
            options { name: "skip" }
            options { name: "mbconv_k3_e3" }
            options {
              name: "big"
              costs { key: "ms" value: 4.5 }
              parameters {
                fields {
                  key: "se"
                  value { number_value: 0.25 }
                }
              }
            }
            default: "skip"
            channels: 16
          }
          layers {
            name: "2"
            options { name: "a" }
          }
        }
        objective {
          reward: "accuracy"
          cost: "latency_ms"
          targets: [ 0.8, 1 ]
        }
        strategy {
          layernas {
            buckets { count: 20 }
            order { direction: DIRECTION_REVERSE }
            passes: 2
          }
          seed: 4294967295
        }
        budget {
          trainings: 80
          duration { seconds: 5400 }
        }
        evaluation {
          train { dataset: "cifar10" epochs: 2 learning_rate: 0.05 augment: false }
          measure { warm_up: 0 }
          require { key: "device" value: "cpu" }
          require { key: "1" value: "2" }
          timeout { seconds: 1 nanos: 500000000 }
        }
      )pb",
      &expected));
  google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(expected, file.spec)) << difference;
}

constexpr std::string_view kGood = R"(name: good
space:
  layers:
    - name: a
      options: [x, y]
objective: {cost: ms}
strategy: {random: {}}
budget: 5
)";

TEST(SpecReader, ScalarsStandForTheFirstField) {
  const SpecFile file = ReadSpecText("s.yaml", kGood);
  EXPECT_THAT(Lines(file), IsEmpty());
  EXPECT_EQ(file.spec.budget().trainings(), 5);
  EXPECT_EQ(file.spec.space().layers(0).options(1).name(), "y");
}

TEST(SpecReader, AnEmptyValueIsAnEmptyMessage) {
  EXPECT_TRUE(ReadSpecText("s.yaml", std::string(kGood) + "evaluation:\n").ok());
}

TEST(SpecReader, AliasesMayBeUsed) {
  const SpecFile file = ReadSpecText("s.yaml", R"(name: good
space:
  layers:
    - {name: a, options: &blocks [x, y]}
    - {name: b, options: *blocks}
objective: {cost: ms}
strategy: {random: {}}
budget: 5
)");
  EXPECT_THAT(Lines(file), IsEmpty());
  EXPECT_EQ(file.spec.space().layers(1).options_size(), 2);
}

struct BadFile {
  std::string name;
  std::string yaml;
  // The start of the only expected mistake.
  std::string mistake;
};

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

class SpecReaderMistake : public ::testing::TestWithParam<BadFile> {};

TEST_P(SpecReaderMistake, IsGivenItsPlace) {
  EXPECT_THAT(MistakesOf(GetParam().yaml), ElementsAre(StartsWith(GetParam().mistake)));
}

// Returns kGood with one text replaced.
std::string Replace(const std::string& what, const std::string& with) {
  std::string text(kGood);
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

INSTANTIATE_TEST_SUITE_P(
    Form, SpecReaderMistake,
    ::testing::Values(
        BadFile{"UnknownField", Replace("options: [", "channel: 3\n      options: ["),
                "s.yaml:5:7: space.layers[0].channel: unknown field; did you mean 'channels'?"},
        BadFile{"UnknownFieldAtTheTop", Replace("objective:", "obejctive:"),
                "s.yaml:6:1: obejctive: unknown field; did you mean 'objective'?"},
        BadFile{"UnknownFieldLikeNoOther", Replace("cost: ms", "cost: ms, colour: red"),
                "s.yaml:6:23: objective.colour: unknown field; known here: reward, cost, targets or counted"},
        BadFile{"FieldOfAMessageWithoutFields", Replace("random: {}", "random: {draws: 3}"),
                "s.yaml:7:21: strategy.random.draws: unknown field; no field is allowed here"},
        BadFile{"DuplicateKey", Replace("cost: ms", "cost: ms, cost: mb"),
                "s.yaml:6:23: objective.cost: occurs twice in the same mapping"},
        BadFile{"DuplicateMapKey", std::string(kGood) + "evaluation: {require: {a: b, a: c}}\n",
                "s.yaml:9:30: evaluation.require.a: occurs twice"},
        BadFile{"Fraction", Replace("budget: 5", "budget: {trainings: 3.5}"),
                "s.yaml:8:21: budget.trainings: must be a whole number, is '3.5'"},
        BadFile{"FractionAsShorthand", Replace("budget: 5", "budget: 3.5"),
                "s.yaml:8:9: budget.trainings: must be a whole number, is '3.5'"},
        BadFile{"Word", Replace("budget: 5", "budget: {trainings: many}"),
                "s.yaml:8:21: budget.trainings: must be a whole number, is 'many'"},
        BadFile{"TooLargeANumber", Replace("budget: 5", "budget: {trainings: 3000000000}"),
                "s.yaml:8:21: budget.trainings: must be at most 2147483647, is '3000000000'"},
        BadFile{"NegativeSeed", Replace("random: {}", "random: {}, seed: -1"),
                "s.yaml:7:30: strategy.seed: must be at least 0, is '-1'"},
        BadFile{"QuotedNumber", Replace("budget: 5", "budget: {trainings: \"5\"}"),
                "s.yaml:8:21: budget.trainings: must not be quoted"},
        BadFile{"NumberWithoutValue", Replace("budget: 5", "budget: {trainings: }"),
                "s.yaml:8:21: budget.trainings: must be a single value, has no value"},
        BadFile{"InfiniteTarget", Replace("cost: ms", "cost: ms, targets: [.inf]"),
                "s.yaml:6:33: objective.targets[0]: must be a number, is '.inf'"},
        BadFile{"ScalarForList", Replace("cost: ms", "cost: ms, targets: 0.8"),
                "s.yaml:6:32: objective.targets: must be a list, such as [0.8], is '0.8'"},
        BadFile{"ListForScalar", Replace("cost: ms", "cost: [ms]"),
                "s.yaml:6:19: objective.cost: must be a single value, is a list"},
        BadFile{"ListForMessage", Replace("objective: {cost: ms}", "objective: [ms]"),
                "s.yaml:6:12: objective: must be a mapping of reward, cost, targets or counted, is a list"},
        BadFile{"ScalarForMessage", Replace("strategy: {random: {}}", "strategy: random"),
                "s.yaml:7:11: strategy: must be a mapping of layernas, random, guided_layernas, regularized_evolution, "
                "exhaustive or seed, is 'random'"},
        BadFile{"BadDuration", Replace("budget: 5", "budget: {duration: soon}"), "s.yaml:8:20: budget.duration: "},
        BadFile{"BadEnum", Replace("random: {}", "layernas: {buckets: {scale: log}}"),
                "s.yaml:7:40: strategy.layernas.buckets.scale: must be linear, logarithmic or auto, is 'log'"},
        BadFile{"MisspeltEnum", Replace("random: {}", "layernas: {order: foward}"),
                "s.yaml:7:30: strategy.layernas.order.direction: must be forward or reverse, is 'foward'; did you mean "
                "'forward'?"},
        BadFile{"BadBool", std::string(kGood) + "evaluation: {train: {augment: yes}}\n",
                "s.yaml:9:31: evaluation.train.augment: must be true or false, is 'yes'"},
        BadFile{"TwoStrategies", Replace("random: {}", "random: {}, layernas: {}"),
                "s.yaml:7:24: strategy.layernas: cannot be combined with random"},
        BadFile{"NotAMapping", "[1, 2]\n",
                "s.yaml:1:1: must be a mapping of name, space, objective, strategy, budget, evaluation, sharing, "
                "finalists or final, is a list"},
        BadFile{"Empty", "# nothing\n", "s.yaml: is empty"},
        BadFile{"Syntax", "name: good\nspace: [1, 2\n", "s.yaml:3:1: is not valid YAML: "},
        BadFile{"TabIndent", "name: good\nspace:\n\tlayers: []\n",
                "s.yaml:3:8: is not valid YAML: illegal map value; indent with spaces, not tabs"},
        BadFile{"TwoDocuments", std::string(kGood) + "---\n" + std::string(kGood),
                "s.yaml:9:1: begins a second YAML document"},
        BadFile{"CommaFirst", ", x", "s.yaml:1:1: is not valid YAML"},
        BadFile{"UnknownAlias", "name: *nobody\n", "s.yaml:1:7: is not valid YAML: "},
        BadFile{"NotUtf8", "name: good\n# caf\xe9\n", "s.yaml:2:6: is not UTF-8 text"}));

INSTANTIATE_TEST_SUITE_P(
    Meaning, SpecReaderMistake,
    ::testing::Values(BadFile{"MissingField", Replace("objective: {cost: ms}", "objective:\n  reward: accuracy"),
                              "s.yaml:6:1: objective.cost: is missing"},
                      BadFile{"MissingMessage", Replace("strategy: {random: {}}\n", ""),
                              "s.yaml: strategy: is missing"},
                      BadFile{"DuplicateOption", Replace("[x, y]", "[x, x]"),
                              "s.yaml:5:20: space.layers[0].options[1].name: \"x\" is already the name of"},
                      BadFile{"UnknownDefault", Replace("options: [x, y]", "options: [x, y]\n      default: z"),
                              "s.yaml:6:16: space.layers[0].default: \"z\" is not an option of the layer"}));

TEST(SpecReader, FindsAllMistakesInTheOrderOfTheFile) {
  EXPECT_THAT(MistakesOf(R"(name: Bad
space:
  layers:
    - name: a
      optoins: [x, y]
    - name: b
      options: [x, x]
      stride: none
objective: {cost: ms, targets: [0]}
strategy: {random: {}}
budget: {trainings: -1}
)"),
              ElementsAre(StartsWith("s.yaml:1:7: name: must be lower-case"),
                          StartsWith("s.yaml:5:7: space.layers[0].optoins: unknown field; did you mean 'options'?"),
                          StartsWith("s.yaml:7:20: space.layers[1].options[1].name: "),
                          StartsWith("s.yaml:8:15: space.layers[1].stride: must be a whole number"),
                          StartsWith("s.yaml:9:33: objective.targets[0]: must be a finite number above 0"),
                          StartsWith("s.yaml:11:21: budget.trainings: must be at least 1")));
}

TEST(SpecReader, WhatFollowsFromAMisreadFieldIsNotComplainedOf) {
  // Without the suppression, there would also be "objective.cost is missing" and "random search
  // needs a budget".
  EXPECT_THAT(MistakesOf(R"(name: good
space: {layers: [{name: a, options: [x, y]}]}
objective: {cots: ms}
strategy: {random: {}}
budget: {trainings: 5x}
)"),
              ElementsAre(StartsWith("s.yaml:3:13: objective.cots: unknown field; did you mean 'cost'?"),
                          StartsWith("s.yaml:5:21: budget.trainings: must be a whole number")));
}

// The Python package's test reads the same file.
TEST(SpecReader, ReadsTheCorpusAsThePythonPackageDoes) {
  std::stringstream corpus;
  corpus << std::ifstream(LAYERNAS_CORPUS "/specs.txt").rdbuf();
  const std::string text = corpus.str();
  int cases = 0;
  for (std::size_t at = text.find("\n=== "); at != std::string::npos; ++cases) {
    const std::size_t next = text.find("\n=== ", at + 1);
    const std::string entry = text.substr(at + 5, next == std::string::npos ? next : next - at - 5);
    at = next;
    const std::size_t begin = entry.find('\n') + 1;
    const bool reads = entry.find("\n--- reads\n") != std::string::npos;
    const std::size_t verdict = entry.find(reads ? "\n--- reads\n" : "\n--- mistakes\n");
    ASSERT_NE(verdict, std::string::npos) << entry;
    const std::string expected = entry.substr(entry.find('\n', verdict + 1) + 1);
    const SpecFile file = ReadSpecText("s", entry.substr(begin, verdict + 1 - begin));
    if (reads) {
      EXPECT_THAT(Lines(file), IsEmpty()) << entry;
      v1::SearchSpec message;
      ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(expected, &message).ok()) << entry;
      EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(message, file.spec))
          << entry << file.spec.DebugString();
      continue;
    }
    ASSERT_THAT(Lines(file), SizeIs(1)) << entry;
    const Mistake& mistake = file.mistakes[0];
    const std::string line = absl::StrCat(mistake.position.line, ": ");
    const std::string field = mistake.field.empty() ? "" : mistake.field + ": ";
    EXPECT_THAT(line + field + mistake.message, StartsWith(std::string(absl::StripTrailingAsciiWhitespace(expected))))
        << entry;
  }
  EXPECT_GT(cases, 40);
}

TEST(SpecReader, EndlessFilesAreGivenUp) {
  EXPECT_THAT(MistakesOf("name: &a {b: *a}\n"), Contains(HasSubstr("must be a single value")));
  EXPECT_THAT(MistakesOf("space: {network: {parameters: &a {b: *a}}}\n"), Contains(HasSubstr("levels deep")));
  // Each list contains the previous one ten times.
  std::string bomb = "space: {network: {parameters: {x0: &x0 [1,1,1,1,1,1,1,1,1,1]";
  for (int i = 1; i < 9; ++i) {
    absl::StrAppend(&bomb, ", x", i, ": &x", i, " [");
    for (int j = 0; j < 10; ++j) absl::StrAppend(&bomb, j > 0 ? "," : "", "*x", i - 1);
    bomb += "]";
  }
  bomb += "}}}\n";
  EXPECT_THAT(MistakesOf(bomb), Contains(HasSubstr("too many values")));
}

TEST(SpecReader, FilesThatCanNotBeReadAreSaidSo) {
  EXPECT_THAT(Lines(ReadSpecFile("/nonexistent/spec.yaml")),
              ElementsAre("/nonexistent/spec.yaml: cannot be read: No such file or directory"));
  EXPECT_THAT(Lines(ReadSpecFile("/")), ElementsAre(StartsWith("/: cannot be read: it is a directory")));
  EXPECT_THAT(MistakesOf(std::string((4 << 20) + 1, '#')), ElementsAre(HasSubstr("larger than 4 MiB")));
}

}  // namespace
}  // namespace layernas::client
