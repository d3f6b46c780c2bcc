#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "client/application.h"
#include "common/base/standard_streams.h"
#include "common/base/write_errors.h"
#include "common/rpc/library_logs.h"

int main(int argc, char** argv) {
  layernas::FillStandardStreams();
  layernas::rpc::SilenceLibraryLogs();
  // Report a closed pipe or a file size limit as an ordinary error, so that cleanup still runs.
  layernas::IgnorePipeSignal();
  layernas::IgnoreFileSizeSignal();
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const layernas::client::ExitCode code =
      layernas::client::RunClient(std::vector<std::string>(argv + 1, argv + argc),
                                  layernas::client::Terminal::Standard(), self.parent_path().string());
  return static_cast<int>(code);
}
