// Runs simulated worlds and prints which of them break an invariant.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/log.h"
#include "tests/simulation/world.h"

namespace layernas::simulation {
namespace {

constexpr char kUsage[] =
    "usage: simulate [--worlds N | --minutes M] [--first SEED] [--jobs J] [--findings F]\n"
    "                run worlds, until there are so many findings\n"
    "       simulate --seed SEED                  tell the story of one world\n"
    "       simulate --twice N [--first SEED]     run N worlds twice; fail if a story differs\n";

struct Options {
  std::uint64_t first = 1;
  std::uint64_t worlds = 1'000;
  double minutes = 0;
  int jobs = 1;
  // 0: all of them.
  int findings = 0;
  std::optional<std::uint64_t> seed;
  std::optional<std::uint64_t> twice;
};

std::optional<Options> Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const double value = std::strtod(argv[i + 1], nullptr);
    const auto number = static_cast<std::uint64_t>(value);
    if (name == "--seed") {
      options.seed = number;
    } else if (name == "--twice") {
      options.twice = number;
    } else if (name == "--worlds") {
      options.worlds = number;
    } else if (name == "--first") {
      options.first = number;
    } else if (name == "--minutes") {
      options.minutes = value;
    } else if (name == "--findings") {
      options.findings = static_cast<int>(value);
    } else if (name == "--jobs") {
      options.jobs = std::max(1, static_cast<int>(value));
    } else {
      return std::nullopt;
    }
  }
  if (argc % 2 == 0) return std::nullopt;
  return options;
}

// Runs every `jobs`th world, starting with `job`. Returns how many broke an invariant.
int RunWorlds(const Options& options, int job) {
  using Time = std::chrono::steady_clock;
  const Time::time_point begin = Time::now();
  std::uint64_t run = 0;
  int findings = 0;
  const auto seconds = [&] { return std::chrono::duration<double>(Time::now() - begin).count(); };
  for (std::uint64_t i = static_cast<std::uint64_t>(job);; i += static_cast<std::uint64_t>(options.jobs)) {
    if (options.minutes > 0 ? seconds() > options.minutes * 60 : i >= options.worlds) break;
    const std::uint64_t seed = options.first + i;
    const WorldResult result = World(seed, Story::Mode::kSilent).Run();
    ++run;
    if (!result.finding) continue;
    ++findings;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), result.finding->c_str());
    std::fflush(stdout);
    if (findings == options.findings) break;
  }
  std::printf("%llu worlds, %d findings, %.0f worlds/minute\n", static_cast<unsigned long long>(run), findings,
              static_cast<double>(run) / seconds() * 60);
  std::fflush(stdout);
  return findings;
}

int RunJobs(const Options& options) {
  if (options.jobs == 1) return RunWorlds(options, 0) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
  for (int job = 0; job < options.jobs; ++job) {
    const pid_t child = fork();
    if (child == 0) std::_Exit(RunWorlds(options, job) > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
  }
  int status = EXIT_SUCCESS;
  for (int job = 0; job < options.jobs; ++job) {
    int one = 0;
    if (wait(&one) < 0 || !WIFEXITED(one) || WEXITSTATUS(one) != EXIT_SUCCESS) status = EXIT_FAILURE;
  }
  return status;
}

// The second run has another order, so that no state can pass from world to world.
int RunTwice(const Options& options) {
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t i = 0; i < *options.twice; ++i) {
    hashes.push_back(World(options.first + i, Story::Mode::kHash).Run().hash);
  }
  for (std::uint64_t i = *options.twice; i-- > 0;) {
    if (World(options.first + i, Story::Mode::kHash).Run().hash == hashes[i]) continue;
    std::printf("seed %llu differs from run to run\n", static_cast<unsigned long long>(options.first + i));
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

int Main(int argc, char** argv) {
  log::Init("simulate", "off");
  const std::optional<Options> options = Parse(argc, argv);
  if (!options) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  if (options->seed) {
    const WorldResult result = World(*options->seed, Story::Mode::kPrint).Run();
    std::printf("story %016llx\n", static_cast<unsigned long long>(result.hash));
    return result.finding ? EXIT_FAILURE : EXIT_SUCCESS;
  }
  if (options->twice) return RunTwice(*options);
  return RunJobs(*options);
}

}  // namespace
}  // namespace layernas::simulation

int main(int argc, char** argv) { return layernas::simulation::Main(argc, argv); }
