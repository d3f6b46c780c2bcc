// layernas-trainer: trains and measures architectures for a worker, over the evaluator protocol (protocol.h) on
// standard input and output. Ends when standard input does.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <iostream>
#include <string>

#include "worker/trainer/evaluation.h"
#include "worker/trainer/protocol.h"

namespace {

// Every training step allocates and frees the same big tensors. By default glibc maps and unmaps each of them, and the
// page faults cost nearly half of the time; this keeps the memory.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  KeepFreedMemory();

  CLI::App app(
      "Trains and measures architectures. Started by layernas-worker, with which it speaks JSON lines on standard "
      "input and output.",
      "layernas-trainer");
  std::string data_dir;
  int threads = 1;
  app.add_option("--data-dir", data_dir, "Folder with the files of cifar10 and idx data sets")
      ->envname("LAYERNAS_DATA_DIR");
  app.add_option("--threads", threads, "Threads for torch; not more than there are free cores")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.set_version_flag("--version", "layernas-trainer " LAYERNAS_VERSION);
  CLI11_PARSE(app, argc, argv);

  layernas::trainer::Evaluator evaluator(data_dir, threads);
  layernas::trainer::ServeRequests(
      std::cin, std::cout, std::cerr,
      [&](const layernas::trainer::EvaluateRequest& request, const layernas::trainer::ProgressCallback& on_progress) {
        return evaluator.Evaluate(request, on_progress);
      });
  // Standard output that cannot be written means that nobody hears the answers.
  return std::cout ? 0 : 1;
}
