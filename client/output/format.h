#pragma once

namespace layernas::client {

enum class OutputFormat { kTable, kJson, kCsv };

}  // namespace layernas::client
