// Runs a fuzz target without libFuzzer, so that every compiler and every run of the tests can use
// it. Runs it on each file of a corpus, and then on mutations of them, which are the same each
// time.
//   TARGET FILE_OR_FOLDER [MUTATIONS]
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "tests/fuzz/fuzz.h"

extern "C" [[gnu::weak]] int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) { return 0; }

namespace layernas::fuzz {
namespace {

constexpr std::size_t kLargestMutation = 4096;

// The current input, for the handler of a crash.
std::string current;

void TellInput(int signal) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto say = [](const char* text, std::size_t size) { static_cast<void>(!write(STDERR_FILENO, text, size)); };
  say("\nthe input, for a .hex file of the corpus:\n", 43);
  for (const char c : current) {
    const char hex[] = {kDigits[static_cast<unsigned char>(c) >> 4], kDigits[static_cast<unsigned char>(c) & 15]};
    say(hex, 2);
  }
  say("\n", 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// Converts two digits to a byte. Skips blanks, and comments from # to the end of the line.
std::string FromHex(const std::string& text) {
  std::string digits;
  bool comment = false;
  for (const char c : text) {
    comment = c == '#' || (comment && c != '\n');
    if (!comment && std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  }
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return path.extension() == ".hex" ? FromHex(text) : text;
}

void Run(std::string input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

std::string Mutate(const std::vector<std::string>& corpus, RandomStream random) {
  std::string input = corpus[random.Below(corpus.size())];
  for (std::uint64_t edits = 1 + random.Below(6); edits > 0; --edits) {
    const std::size_t at = random.Below(input.size() + 1);
    const std::size_t length = std::min<std::size_t>(input.size() - at, 1 + random.Below(16));
    switch (random.Below(6)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << random.Below(8));
        break;
      case 1:
        if (at < input.size()) input[at] = static_cast<char>(random.Next());
        break;
      case 2:
        input.insert(at, 1 + random.Below(8), static_cast<char>(random.Next()));
        break;
      case 3:
        input.erase(at, length);
        break;
      case 4:
        input.insert(at, input.substr(random.Below(input.size() + 1), length));
        break;
      default: {
        const std::string& other = corpus[random.Below(corpus.size())];
        input.insert(at, other.substr(random.Below(other.size() + 1), 1 + random.Below(64)));
      }
    }
  }
  input.resize(std::min(input.size(), kLargestMutation));
  return input;
}

int Main(const std::filesystem::path& path, std::uint64_t mutations) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  std::vector<std::string> corpus;
  for (const std::filesystem::path& file : files) corpus.push_back(Read(file));
  if (corpus.empty()) {
    std::cerr << path << " holds no inputs\n";
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGTRAP, SIGBUS, SIGFPE}) std::signal(signal, TellInput);
  Run("");
  for (const std::string& input : corpus) Run(input);
  for (std::uint64_t i = 0; i < mutations; ++i) Run(Mutate(corpus, RandomStream({i})));
  std::cout << corpus.size() << " inputs and " << mutations << " mutations\n";
  return 0;
}

}  // namespace
}  // namespace layernas::fuzz

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << argv[0] << " FILE_OR_FOLDER [MUTATIONS]\n";
    return 2;
  }
  LLVMFuzzerInitialize(&argc, &argv);
  return layernas::fuzz::Main(argv[1], argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0);
}
