// How --help shows options, the same in every program.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace layernas {

// Shows an option as `--name VALUE [default] (env VARIABLE)`, and a positional by its name alone. VALUE
// is the option's type_name(): the choices "a|b" of a CLI::IsMember, N of a number, SIZE of a ByteSize.
// An option_text() replaces everything after the name.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override;
};

}  // namespace layernas
