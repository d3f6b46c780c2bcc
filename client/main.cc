#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "client/application.h"
#include "common/rpc/library_logs.h"

int main(int argc, char** argv) {
  layernas::rpc::SilenceLibraryLogs();
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const layernas::client::ExitCode code =
      layernas::client::RunClient(std::vector<std::string>(argv + 1, argv + argc),
                                  layernas::client::Terminal::Standard(), self.parent_path().string());
  return static_cast<int>(code);
}
