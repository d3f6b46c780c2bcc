// layernas-trainer: trains and measures architectures for a worker. It speaks the evaluator
// protocol (protocol.h) on standard input and output, and ends when standard input ends or on
// SIGTERM.
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/processors.h"
#include "common/base/standard_streams.h"
#include "common/base/utf8.h"
#include "common/base/write_errors.h"
#include "common/build_info/build_info.h"
#include "common/help/arguments.h"
#include "common/help/help_formatter.h"
#include "worker/trainer/data_check.h"
#include "worker/trainer/device.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/protocol.h"
#include "worker/trainer/stop_signal.h"

namespace {

// Makes malloc() keep freed memory. Every training step allocates and frees the same big tensors.
// By default glibc maps and unmaps each of them, and the page faults take nearly half of the time.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

// Limits the threads of OpenBLAS, which torch calls for linear layers. When it is loaded, it starts
// a thread for each processor, and their number can only be reduced after that (see threads.h). On
// a busy machine those threads raise a latency from a fraction of a millisecond to several
// milliseconds. So this function sets the environment variable, unless it is already set, and
// executes the program again in the same process.
void LimitBlasThreads(int threads, char** argv) {
  if (std::getenv("OPENBLAS_NUM_THREADS") != nullptr) return;
  setenv("OPENBLAS_NUM_THREADS", std::to_string(threads).c_str(), 1);
  execv("/proc/self/exe", argv);
  std::cerr << "cannot limit the threads of OpenBLAS (" << std::strerror(errno) << "): latencies will be noisy\n";
}

// Flushes standard output. Prints an error and returns false if that fails.
bool WrittenOut() {
  if (std::cout.flush()) return true;
  std::cerr << "layernas-trainer: cannot write to standard output\n";
  return false;
}

// Prints every problem and a summary. Returns the exit code.
int CheckDataIn(const std::filesystem::path& folder) {
  const layernas::trainer::DataReport report = layernas::trainer::CheckData(folder, layernas::UsableProcessors());
  for (const std::string& problem : report.problems) std::cout << "error: " << layernas::Printable(problem) << '\n';
  for (const std::string& warning : report.warnings) std::cout << "warning: " << layernas::Printable(warning) << '\n';
  std::cout << folder.string() << ": " << (report.dataset.empty() ? "no data set" : report.dataset) << ", "
            << report.images << " images, " << report.classes << " classes, " << report.problems.size() << " errors, "
            << report.warnings.size() << " warnings" << std::endl;
  return WrittenOut() && report.problems.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  // SIGPIPE keeps its default action: if nobody reads the answers, a training need not continue.
  layernas::FillStandardStreams();
  layernas::IgnoreFileSizeSignal();
  CLI::App app(
      "Train and measure architectures. layernas-worker starts this program and exchanges JSON lines with it on "
      "standard input and output.",
      "layernas-trainer");
  app.formatter(std::make_shared<layernas::HelpFormatter>());
  layernas::trainer::EvaluatorOptions options;
  options.log = [](const std::string& line) { std::cerr << layernas::Printable(line) << std::endl; };
  std::filesystem::path cache_dir = layernas::trainer::DefaultCacheFolder();
  options.checkpoints.limit_bytes = std::uint64_t{1} << 30;
  options.data_cache.limit_bytes = std::uint64_t{32} << 30;
  app.add_option("--data-dir", options.data_dir, "Directory with the files of data sets; not needed for shapes10")
      ->type_name("DIR")
      ->envname("LAYERNAS_DATA_DIR");
  app.add_option("--weights-dir", options.weights_dir,
                 "Directory for trained networks that requests ask to keep, as TorchScript")
      ->type_name("DIR")
      ->envname("LAYERNAS_WEIGHTS_DIR");
  app.add_option("--threads", options.threads, "Threads of torch; use at most one per free core")
      ->check(CLI::Range(1, 1024))
      ->envname("LAYERNAS_THREADS")
      ->capture_default_str();
  std::string device = "auto";
  app.add_option("--device", device,
                 "Device to train and measure on: cpu, cuda (the first GPU), cuda:N, or auto (a GPU if there is one)")
      ->type_name("DEVICE")
      ->envname("LAYERNAS_DEVICE")
      ->capture_default_str();
  app.add_option("--cache-dir", cache_dir,
                 "Directory for files that trainers on this machine share and can recreate; '' keeps none")
      ->type_name("DIR")
      ->envname("LAYERNAS_CACHE_DIR")
      ->capture_default_str();
  app.add_option("--data-cache-limit", options.data_cache.limit_bytes,
                 "Maximum size of decoded data sets in --cache-dir, such as 32GiB; deletes the least recently used")
      ->transform(layernas::ByteSize())
      ->envname("LAYERNAS_DATA_CACHE_LIMIT")
      ->capture_default_str();
  app.add_option("--checkpoint-limit", options.checkpoints.limit_bytes,
                 "Maximum size of interrupted trainings in --cache-dir, such as 500MiB; deletes the oldest")
      ->transform(layernas::ByteSize())
      ->envname("LAYERNAS_CHECKPOINT_LIMIT")
      ->capture_default_str();
  std::string check_folder;
  CLI::Option* check = app.add_option("--check-data", check_folder,
                                      "Read every image of the data set in FOLDER below --data-dir, print all "
                                      "problems and exit (default: --data-dir itself)")
                           ->expected(0, 1)
                           ->option_text("[FOLDER]");
  app.set_version_flag("--version", layernas::VersionText("layernas-trainer"));
  try {
    const std::vector<std::string> arguments = layernas::SplitEmptyValues({argv + 1, argv + argc});
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    const std::string why = layernas::FindWrongOption(app, {"cache-dir", "check-data", "weights-dir"});
    if (!why.empty()) throw CLI::ValidationError(why, CLI::ExitCodes::ValidationError);
    if (check->count() > 0 && check_folder.empty() && options.data_dir.empty()) {
      throw CLI::ValidationError("--check-data", "needs --data-dir (or LAYERNAS_DATA_DIR), which names the folder");
    }
  } catch (const CLI::ParseError& end) {
    if (app.exit(end) != 0) return 2;
    return WrittenOut() ? 0 : 1;
  }
  if (check->count() > 0) return CheckDataIn(check_folder.empty() ? options.data_dir : options.data_dir / check_folder);
  LimitBlasThreads(options.threads, argv);
  KeepFreedMemory();

  if (!cache_dir.empty()) {
    options.data_cache.folder = cache_dir / "data";
    options.checkpoints.folder = cache_dir / "checkpoints";
  }
  try {
    options.device = layernas::trainer::ChooseDevice(device);
  } catch (const std::exception& error) {
    std::cerr << "layernas-trainer: --device: " << error.what() << std::endl;
    return 1;
  }
  layernas::trainer::InstallStopSignals();
  layernas::trainer::Evaluator evaluator(std::move(options));
  layernas::trainer::ServeRequests(
      std::cin, std::cout, std::cerr,
      [&](const layernas::trainer::EvaluateRequest& request, const layernas::trainer::ProgressCallback& on_progress) {
        return evaluator.Evaluate(request, on_progress);
      });
  // If standard output cannot be written, nobody reads the answers.
  return std::cout ? 0 : 1;
}
