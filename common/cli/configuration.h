// Option values of a program, in order of precedence: command line, environment, file, default.
// CLI11 can read files itself, but gives them precedence over the environment, cuts values at '#'
// and ',', and does not report lines.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace layernas::cli {

// The configuration files to read without --config.
struct ConfigurationFiles {
  // Environment variable that names the file.
  std::string variable;
  // Otherwise the first of these files that exists is used.
  std::vector<std::string> defaults;
};

// Each configurable() option can also be set in the environment and in the file: --data-dir is
// LAYERNAS_DATA_DIR in the environment and data-dir in the file. Secrets are separate files, never
// values.
class Configuration {
 public:
  // Adds --config and --print-config to `app`. `app` must already have all other options and
  // commands, and must outlive this object.
  Configuration(CLI::App& app, ConfigurationFiles files);

  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  // Allows an empty value for this option. Other options refuse it, because it may come from an
  // unset variable of a script: an empty --token-file would open the controller to everyone.
  void AllowEmpty(const std::string& name);

  // Call this instead of app.parse(); it throws the same exceptions. `arguments` does not include
  // the program name.
  void Parse(const std::vector<std::string>& arguments);

  // Returns whether the command line, the environment or the file sets the option. Call it after
  // Parse().
  bool IsGiven(const std::string& name);

  // Prefixes a message that begins with its option ("--listen: …") with the file or variable that
  // set the option. Does not change it if the option was set on the command line.
  std::string Locate(const std::string& message) const;

 private:
  struct Setting {
    // For example "data-dir".
    std::string name;
    // Has several entries if several commands have the option.
    std::vector<CLI::Option*> options;
    // The values from the environment or the file, and which one it was; empty if neither sets the
    // option.
    std::vector<std::string> values;
    std::string source;
    bool may_be_empty = false;

    std::string Variable() const;
    // Returns whether there is no value, or an empty one that must not be.
    bool IsEmpty(const std::vector<std::string>& given) const;
    // Returns whether the option takes several values.
    bool IsList() const;
    bool IsFlag() const;
  };

  void Collect(CLI::App& app);
  // Throws CLI::ValidationError if the command line has a value that WhyWrong() refuses, or a flag
  // that is neither true nor false.
  void RefuseWrongValues() const;
  Setting* Find(const std::string& name);
  // Reads the file and the environment. Throws CLI::ConfigError.
  void Load(const std::vector<std::string>& arguments);
  void ReadFile(const std::string& path);
  void ReadEnvironment();
  // Makes the values the defaults of the options, which the command line can override.
  static void Apply(const Setting& setting);
  // Returns the output of --print-config: a configuration file with the source of each value.
  std::string Text() const;

  CLI::App& app_;
  const ConfigurationFiles files_;
  std::vector<Setting> settings_;
  // --print-config was given.
  bool prints_ = false;
};

// Prints the help, the version, the configuration or the mistake that ended the parsing. Returns
// the exit code: 0, 2 for a mistake, or 1 if standard output cannot be written.
int PrintAndExitCode(const CLI::App& app, const CLI::ParseError& end);

}  // namespace layernas::cli
