// layernas-trainer: trains and measures architectures for a worker, over the evaluator protocol (protocol.h) on
// standard input and output. Ends when standard input does, or on SIGTERM.
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
#include <string>
#include <utility>

#include "common/base/processors.h"
#include "common/base/standard_streams.h"
#include "common/base/write_errors.h"
#include "common/build_info/build_info.h"
#include "worker/trainer/data_check.h"
#include "worker/trainer/device.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/protocol.h"
#include "worker/trainer/stop_signal.h"

namespace {

// Every training step allocates and frees the same big tensors. By default glibc maps and unmaps each of them, and the
// page faults cost nearly half of the time; this keeps the memory.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

// OpenBLAS, which torch calls for linear layers, starts a thread for each processor when it is loaded, and the number
// can only be reduced after that (threads.h). On a busy machine those threads make a latency of a fraction of a
// millisecond one of several. So set the variable, unless it is set, and start over; the process stays the same.
void LimitBlasThreads(int threads, char** argv) {
  if (std::getenv("OPENBLAS_NUM_THREADS") != nullptr) return;
  setenv("OPENBLAS_NUM_THREADS", std::to_string(threads).c_str(), 1);
  execv("/proc/self/exe", argv);
  std::cerr << "cannot limit the threads of OpenBLAS (" << std::strerror(errno) << "): latencies will be noisy\n";
}

// Says so if not.
bool WrittenOut() {
  if (std::cout.flush()) return true;
  std::cerr << "layernas-trainer: cannot write to standard output\n";
  return false;
}

// Prints every problem and a summary. Returns the exit code.
int CheckDataIn(const std::filesystem::path& folder) {
  const layernas::trainer::DataReport report = layernas::trainer::CheckData(folder, layernas::UsableProcessors());
  for (const std::string& problem : report.problems) std::cout << "error: " << problem << '\n';
  for (const std::string& warning : report.warnings) std::cout << "warning: " << warning << '\n';
  std::cout << folder.string() << ": " << (report.dataset.empty() ? "no data set" : report.dataset) << ", "
            << report.images << " images, " << report.classes << " classes, " << report.problems.size() << " errors, "
            << report.warnings.size() << " warnings" << std::endl;
  return WrittenOut() && report.problems.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  // SIGPIPE keeps its default: when nobody hears the answers, a training need not go on.
  layernas::FillStandardStreams();
  layernas::IgnoreFileSizeSignal();
  CLI::App app(
      "Trains and measures architectures. Started by layernas-worker, with which it speaks JSON lines on standard "
      "input and output.",
      "layernas-trainer");
  layernas::trainer::EvaluatorOptions options;
  options.log = [](const std::string& line) { std::cerr << line << std::endl; };
  std::filesystem::path cache_dir = layernas::trainer::DefaultCacheFolder();
  options.checkpoints.limit_bytes = std::uint64_t{1} << 30;
  options.data_cache.limit_bytes = std::uint64_t{32} << 30;
  app.add_option("--data-dir", options.data_dir, "Folder with the files of data sets; shapes10 needs none")
      ->envname("LAYERNAS_DATA_DIR");
  app.add_option("--weights-dir", options.weights_dir,
                 "Folder for the trained networks that requests ask to be kept, as TorchScript")
      ->envname("LAYERNAS_WEIGHTS_DIR");
  app.add_option("--threads", options.threads, "Threads for torch; not more than there are free cores")
      ->check(CLI::Range(1, 1024))
      ->envname("LAYERNAS_THREADS")
      ->capture_default_str();
  std::string device = "auto";
  app.add_option("--device", device,
                 "What trains and is measured: cpu, cuda (the first GPU), cuda:N, or auto: a GPU if there is one")
      ->envname("LAYERNAS_DEVICE")
      ->capture_default_str();
  app.add_option("--cache-dir", cache_dir,
                 "Folder for what the trainers of this machine share and can make anew; '' keeps nothing")
      ->envname("LAYERNAS_CACHE_DIR")
      ->capture_default_str();
  app.add_option("--data-cache-limit", options.data_cache.limit_bytes,
                 "Most bytes (or 500MiB, 32GiB) of decoded data sets in it; those used longest ago go")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->envname("LAYERNAS_DATA_CACHE_LIMIT")
      ->capture_default_str();
  app.add_option("--checkpoint-limit", options.checkpoints.limit_bytes,
                 "Most bytes of states of interrupted trainings in it; the oldest go")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->envname("LAYERNAS_CHECKPOINT_LIMIT")
      ->capture_default_str();
  std::string check_folder;
  CLI::Option* check = app.add_option("--check-data", check_folder,
                                      "Read every image of the data set in a folder below --data-dir, print all "
                                      "problems and exit (default: --data-dir itself)")
                           ->expected(0, 1)
                           ->option_text("[FOLDER]");
  app.set_version_flag("--version", layernas::VersionText("layernas-trainer"));
  try {
    app.parse(argc, argv);
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
  // Standard output that cannot be written means that nobody hears the answers.
  return std::cout ? 0 : 1;
}
