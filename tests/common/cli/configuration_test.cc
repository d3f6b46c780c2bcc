#include "common/cli/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace layernas::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A program with an option of each kind.
class ConfigurationTest : public ::testing::Test {
 protected:
  ConfigurationTest()
      : folder_(std::filesystem::temp_directory_path() / ("layernas-configuration-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }

  ~ConfigurationTest() override {
    for (const auto& [name, value] : environment_) unsetenv(name.c_str());
    std::filesystem::remove_all(folder_);
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }

  void Set(const std::string& name, const std::string& value) {
    environment_[name] = value;
    setenv(name.c_str(), value.c_str(), 1);
  }

  struct Values {
    std::string folder;
    std::string address = "here:1";
    int slots = 1;
    std::vector<std::string> labels;
    bool open = false;
    bool check = false;
    // The reason why the program did not run, and its output.
    std::string error;
    std::string printed;
    // The result of Locate() for "--slots: too many".
    std::string located;
  };

  Values Run(std::vector<std::string> arguments, std::vector<std::string> default_files = {}) {
    Values values;
    CLI::App app("A program.", "program");
    app.add_option("--folder", values.folder)->required();
    app.add_option("--address", values.address)->capture_default_str();
    app.add_option("--slots", values.slots)->check(CLI::Range(1, 8))->capture_default_str();
    app.add_option("--label", values.labels)->allow_extra_args(false);
    app.add_flag("--open", values.open);
    app.add_flag("--check", values.check)->configurable(false);
    Configuration configuration(app, {"LAYERNAS_TEST_CONFIG", std::move(default_files)});
    try {
      configuration.Parse(arguments);
    } catch (const CLI::CallForHelp&) {
      values.printed = app.help();
    } catch (const CLI::Success& success) {
      values.printed = success.what();
    } catch (const CLI::ParseError& error) {
      values.error = error.what();
    }
    values.located = configuration.Locate("--slots: too many");
    return values;
  }

 private:
  const std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
};

TEST_F(ConfigurationTest, TheCommandLineWinsThenTheEnvironmentThenTheFile) {
  const std::string file = Write("c.yaml",
                                 "# All of it.\n"
                                 "folder: /f  # where\n"
                                 "address: 'file:1'\n"
                                 "slots: 2\n"
                                 "label: [a=1, 'b=x # y, z']\n"
                                 "open: true\n");
  Values values = Run({"--config", file});
  EXPECT_EQ(values.error, "");
  EXPECT_EQ(values.folder, "/f");
  EXPECT_EQ(values.address, "file:1");
  EXPECT_EQ(values.slots, 2);
  EXPECT_THAT(values.labels, ElementsAre("a=1", "b=x # y, z"));
  EXPECT_TRUE(values.open);

  Set("LAYERNAS_ADDRESS", "environment:1");
  Set("LAYERNAS_LABEL", "c=1 'd=two words'");
  Set("LAYERNAS_OPEN", "false");
  values = Run({"--config=" + file});
  EXPECT_EQ(values.address, "environment:1");
  EXPECT_EQ(values.slots, 2);
  EXPECT_THAT(values.labels, ElementsAre("c=1", "d=two words"));
  EXPECT_FALSE(values.open);

  values = Run({"--label", "e=1", "--config", file, "--address", "flag:1", "--open"});
  EXPECT_EQ(values.address, "flag:1");
  EXPECT_THAT(values.labels, ElementsAre("e=1"));
  EXPECT_TRUE(values.open);
}

TEST_F(ConfigurationTest, DefaultsStayWhereNothingIsSaid) {
  const Values values = Run({"--folder", "/f"});
  EXPECT_EQ(values.error, "");
  EXPECT_EQ(values.address, "here:1");
  EXPECT_EQ(values.slots, 1);
  EXPECT_THAT(values.labels, IsEmpty());
  EXPECT_THAT(Run({}).error, HasSubstr("--folder is required"));
}

TEST_F(ConfigurationTest, TheFileIsThatOfTheFlagThenTheVariableThenTheFirstThatIsThere) {
  const std::string one = Write("1.yaml", "folder: one");
  const std::string two = Write("2.yaml", "folder: two");
  const std::string three = Write("3.yaml", "folder: three");
  EXPECT_EQ(Run({}, {"/no/such/file", three, two}).folder, "three");
  Set("LAYERNAS_TEST_CONFIG", two);
  EXPECT_EQ(Run({}, {three}).folder, "two");
  EXPECT_EQ(Run({"--config", one}, {three}).folder, "one");
}

TEST_F(ConfigurationTest, AnErrorNamesItsPlaceAndTheOption) {
  const auto error = [this](const std::string& text) {
    const std::string path = Write("c.yaml", text);
    const std::string message = Run({"--folder", "/f", "--config", path}).error;
    EXPECT_TRUE(message.starts_with(path + ":")) << message;
    return message.substr(std::min(message.size(), path.size() + 1));
  };
  EXPECT_EQ(error("open: true\nadress: x"),
            "2: adress: is not a valid option in a configuration file; did you mean 'address'?");
  EXPECT_EQ(error("check: true"), "1: check: is not a valid option in a configuration file");
  EXPECT_EQ(error("folder: x\nslots: 9"), "2: --slots: Value 9 not in range 1 to 8");
  EXPECT_THAT(error("slots: two"), AllOf(HasSubstr("1: "), HasSubstr("slots"), HasSubstr("two")));
  EXPECT_THAT(error("open: perhaps"), AllOf(HasSubstr("1: "), HasSubstr("open")));
  EXPECT_THAT(error("address: [a, b]"), AllOf(HasSubstr("1: "), HasSubstr("--address")));
  EXPECT_EQ(error("slots:"), "1: slots: has no value; remove the line to use the default");
  EXPECT_EQ(error("slots: {a: 1}"), "1: slots: must be a value or a list of values");
  EXPECT_EQ(error("label: [[a=1]]"), "1: label: each item of the list must be a value");
  EXPECT_THAT(error("slots: 1\nslots: 2"), HasSubstr("2: slots: is already set at "));
  EXPECT_EQ(error("folder: x\nopen"), "2: no colon follows this key");
  EXPECT_EQ(error("- slots"), "1: must be lines of the form 'option: value'");
  EXPECT_THAT(error("a: b\n  c: ["), HasSubstr(": "));
  EXPECT_THAT(Run({"--config", "/no/such/file"}).error,
              HasSubstr("/no/such/file: cannot read this configuration file: No such file"));
  // A container's runtime makes a folder of a file that is mounted and missing.
  EXPECT_THAT(Run({"--config", "/tmp"}).error,
              HasSubstr("/tmp: cannot read this configuration file: Is a directory; choose another with --config"));

  Set("LAYERNAS_SLOTS", "many");
  EXPECT_THAT(Run({"--folder", "/f"}).error, AllOf(HasSubstr("LAYERNAS_SLOTS: "), HasSubstr("many")));
}

TEST_F(ConfigurationTest, WhatTheProgramRefusesIsLocatedToo) {
  const std::string file = Write("c.yaml", "folder: x\nslots: 2");
  EXPECT_EQ(Run({"--config", file}).located, file + ":2: --slots: too many");
  EXPECT_EQ(Run({"--config", file, "--slots", "3"}).located, "--slots: too many");
  Set("LAYERNAS_SLOTS", "4");
  EXPECT_EQ(Run({"--config", file}).located, "LAYERNAS_SLOTS: --slots: too many");
  EXPECT_EQ(Run({"--folder", "/f"}).located, "LAYERNAS_SLOTS: --slots: too many");
}

TEST_F(ConfigurationTest, PrintsAllValuesWithTheirSourcesAsAFile) {
  const std::string file = Write("c.yaml", "slots: 2\nlabel: [a=1, \"b=x: y\"]");
  Set("LAYERNAS_ADDRESS", "environment:1");
  const Values values = Run({"--config", file, "--folder", "/f", "--print-config"});
  EXPECT_EQ(values.printed,
            "folder: /f  # command line\n"
            "address: environment:1  # LAYERNAS_ADDRESS\n"
            "slots: 2  # " +
                file +
                ":1\n"
                "label: [a=1, \"b=x: y\"]  # " +
                file +
                ":2\n"
                "open: false  # default");
  // The output can be read again.
  const Values again = Run({"--config", Write("again.yaml", values.printed)});
  EXPECT_EQ(again.error, "");
  EXPECT_EQ(again.folder, "/f");
  EXPECT_EQ(again.slots, 2);
  EXPECT_THAT(again.labels, ElementsAre("a=1", "b=x: y"));
}

TEST_F(ConfigurationTest, WhatHasNoValueIsPrintedAsAComment) {
  const Values values = Run({"--folder", "/f", "--print-config"});
  EXPECT_THAT(values.printed, HasSubstr("\n# label:  # default\n"));
  EXPECT_EQ(Run({"--config", Write("c.yaml", values.printed)}).error, "");
}

// As from an unset variable of a script. An empty --token-file would let everyone in.
TEST_F(ConfigurationTest, AnEmptyValueIsRefused) {
  EXPECT_THAT(Run({"--folder", ""}).error, HasSubstr("--folder: is empty"));
  EXPECT_THAT(Run({"--folder=", "--slots=3"}).error, HasSubstr("--folder: is empty"));
  for (const char* line : {"folder: \"\"", "label: []", "label: [a, '']"}) {
    EXPECT_THAT(Run({"--config", Write("c.yaml", line)}).error, HasSubstr("c.yaml:1: ")) << line;
  }
}

TEST_F(ConfigurationTest, NoValuesOfAWrongFileArePrinted) {
  const Values values = Run({"--config", Write("c.yaml", "slots: 3\nslotz: 4"), "--folder", "/f", "--print-config"});
  EXPECT_THAT(values.error, HasSubstr("c.yaml:2: slotz: "));
  EXPECT_EQ(values.printed, "");
}

TEST_F(ConfigurationTest, ANumberIsReadAsItIsWritten) {
  EXPECT_THAT(Run({"--folder", "/f", "--slots", "07"}).error, HasSubstr("--slots: must not begin with a zero, is 07"));
  EXPECT_THAT(Run({"--config", Write("c.yaml", "folder: /f\nslots: 010")}).error,
              HasSubstr("c.yaml:2: --slots: must not begin with a zero, is 010"));
  Set("LAYERNAS_SLOTS", "0x2");
  EXPECT_THAT(Run({"--folder", "/f"}).error, HasSubstr("LAYERNAS_SLOTS: --slots: must not begin with a zero"));
}

// A real start refuses them, too.
TEST_F(ConfigurationTest, NoValuesArePrintedBesideUnexpectedArguments) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"slotz", "3"}, {"--open", "false"}, {"--slotz"}}) {
    std::vector<std::string> printing = {"--folder", "/f"};
    printing.insert(printing.end(), arguments.begin(), arguments.end());
    printing.emplace_back("--print-config");
    const Values values = Run(printing);
    EXPECT_THAT(values.error, HasSubstr("not expected: ")) << arguments.front();
    EXPECT_EQ(values.printed, "") << arguments.front();
  }
}

TEST_F(ConfigurationTest, AListOfBlanksInTheEnvironmentIsNotSet) {
  Set("LAYERNAS_LABEL", " \t");
  const Values values = Run({"--config", Write("c.yaml", "folder: /f\nlabel: [a=1]")});
  EXPECT_EQ(values.error, "");
  EXPECT_THAT(values.labels, ElementsAre("a=1"));
}

TEST_F(ConfigurationTest, AFlagIsTrueOrFalse) {
  for (const std::string value : {"2", "007", "enable", "+", "1", "0", "yes", "TRUE", "''", "[true, true]"}) {
    EXPECT_THAT(Run({"--config", Write("c.yaml", "folder: /f\nopen: " + value)}).error,
                HasSubstr("c.yaml:2: --open: must be true or false"))
        << value;
  }
  EXPECT_EQ(Run({"--config", Write("c.yaml", "folder: /f\nopen: 'true'")}).error, "");
  EXPECT_THAT(Run({"--folder", "/f", "--open=2"}).error, HasSubstr("--open: must be true or false, is \"2\""));
  EXPECT_TRUE(Run({"--folder", "/f", "--open", "--open"}).open);
  EXPECT_FALSE(Run({"--folder", "/f", "--open=false"}).open);
  Set("LAYERNAS_OPEN", "enable");
  EXPECT_THAT(Run({"--folder", "/f"}).error, HasSubstr("LAYERNAS_OPEN: --open: must be true or false, is \"enable\""));
}

TEST_F(ConfigurationTest, TwoFilesAreNotCalledEmpty) {
  const std::string file = Write("c.yaml", "folder: /f");
  EXPECT_THAT(Run({"--config", file, "--config", file}).error, ::testing::Not(HasSubstr("empty")));
}

// The rest of the file would be ignored in silence.
TEST_F(ConfigurationTest, AFileIsReadToItsEnd) {
  EXPECT_THAT(Run({"--config", Write("c.yaml", "slots: 2\nfolder: \"x\naddress: y\n")}).error,
              HasSubstr("c.yaml:2: this quote is never closed"));
  EXPECT_THAT(Run({"--config", Write("c.yaml", "folder: 'x\nlabel: [a]")}).error,
              HasSubstr("c.yaml:1: this quote is never closed"));
  for (const char* between : {"---", "..."}) {
    EXPECT_THAT(Run({"--config", Write("c.yaml", std::string("folder: x\n") + between + "\nslots: 2\n")}).error,
                HasSubstr("begins a second YAML document"))
        << between;
  }
  EXPECT_EQ(Run({"--config", Write("c.yaml", "---\nfolder: x\n...\n")}).error, "");
  EXPECT_THAT(Run({"--config", Write("c.yaml", "folder: x\n%slots: 3\n")}).error,
              HasSubstr("c.yaml:2: a line cannot begin with %"));
  EXPECT_THAT(Run({"--config", Write("c.yaml", "\xef\xbb\xbf%slots: 3\nfolder: x\n")}).error,
              HasSubstr("c.yaml:1: a line cannot begin with %"));
  // Directives have a meaning only before the document.
  for (const auto& [text, line] : {std::pair("folder: x\n%TAG open: true\n", 2),
                                   {"%TAG open: true\nfolder: x\n", 1},
                                   {"%YAML 1.2\n# no document\n", 1},
                                   {"---\nfolder: x\n%YAML 1.2\n", 3},
                                   {"folder: x\n...\n%YAML 1.2\n---\n", 3}}) {
    EXPECT_THAT(Run({"--config", Write("c.yaml", text)}).error,
                HasSubstr("c.yaml:" + std::to_string(line) + ": a line cannot begin with %"))
        << text;
  }
  for (const char* text :
       {"%YAML 1.2\n# a comment\n\n---\nfolder: x\n", "\xef\xbb\xbf%YAML 1.2\r\n---\r\nfolder: x\r\n",
        "# first\n%TAG !e! tag:example.com:\n--- # the options\nfolder: x\n"}) {
    EXPECT_EQ(Run({"--config", Write("c.yaml", text)}).error, "") << text;
  }
}

TEST_F(ConfigurationTest, HelpIsThereWhateverTheFileSays) {
  EXPECT_THAT(Run({"--help", "--config", Write("c.yaml", "nonsense: 1")}).printed, HasSubstr("--folder"));
}

TEST_F(ConfigurationTest, AFileOfCommentsIsEmpty) {
  EXPECT_EQ(Run({"--folder", "/f", "--config", Write("c.yaml", "# slots: 2\n")}).slots, 1);
}

}  // namespace
}  // namespace layernas::cli
