#include "common/process/ready_file.h"

#include <string>

#include "common/process/replace_file.h"

namespace layernas {

absl::Status WriteReadyFile(std::string_view path, std::string_view content) {
  return ReplaceFile(std::string(path), content);
}

}  // namespace layernas
