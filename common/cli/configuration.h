// Where the values of a program's options come from: its command line, else the environment, else a file, else the
// default. CLI11's own reading of files is not used: it would let the file win over the environment, cuts values at
// '#' and ',' and knows no lines.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace layernas::cli {

// Which file to read where --config does not say.
struct ConfigurationFiles {
  // Variable of the environment that names it.
  std::string variable;
  // Otherwise the first of these that is there.
  std::vector<std::string> defaults;
};

// "--data-dir" is LAYERNAS_DATA_DIR in the environment and data-dir in the file; so is every option that is
// configurable(). Secrets are files of their own, and never values.
class Configuration {
 public:
  // Adds --config and --print-config to `app`, which must have all other options and commands by now, and must outlive
  // this.
  Configuration(CLI::App& app, ConfigurationFiles files);

  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  // To be called instead of app.parse(), and throws as that does. `arguments` without the program's name.
  void Parse(const std::vector<std::string>& arguments);

  // For a message that begins with the option it is about ("--listen: …"): where that option was given in front of it,
  // unless that was the command line.
  std::string Locate(const std::string& message) const;

 private:
  struct Setting {
    // "data-dir".
    std::string name;
    // More than one where several commands have it.
    std::vector<CLI::Option*> options;
    // As the environment or the file gives it, and which of them; empty if neither does.
    std::vector<std::string> values;
    std::string source;

    std::string Variable() const;
    // Takes several values.
    bool IsList() const;
    bool IsFlag() const;
  };

  void Collect(CLI::App& app);
  Setting* Find(const std::string& name);
  // From the file and the environment; throws CLI::ConfigError.
  void Load(const std::vector<std::string>& arguments);
  void ReadFile(const std::string& path);
  void ReadEnvironment();
  // What the options hold from now on, unless the command line says otherwise.
  static void Apply(const Setting& setting);
  // What --print-config prints: a file for --config, with the source of each value.
  std::string Text() const;

  CLI::App& app_;
  const ConfigurationFiles files_;
  std::vector<Setting> settings_;
};

// Prints the help, the version, the configuration or the mistake that parsing ended with. Returns the exit code: 0, 2
// for a mistake, or 1 if standard output can't be written.
int PrintAndExitCode(const CLI::App& app, const CLI::ParseError& end);

}  // namespace layernas::cli
