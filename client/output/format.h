#pragma once

namespace layernas::client {

enum class OutputFormat { kTable, kJson, kCsv, kYaml };

}  // namespace layernas::client
