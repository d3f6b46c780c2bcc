#include "worker/trainer/dataset_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>
#include <vector>

#include "worker/trainer/cache_folder.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/file_descriptor.h"

namespace layernas::trainer {

namespace {

namespace fs = std::filesystem;

// Increase this whenever the same files and settings result in other bytes.
constexpr int kVersion = 2;
// The size of the header: a line of JSON, padded with blanks. It consists of whole pages, so that
// the block after it is aligned.
constexpr std::size_t kHeaderBytes = 16384;

// Maps a whole file into memory. It is unmapped when the last owner releases it.
std::shared_ptr<std::uint8_t> MapFile(int fd, std::size_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw MachineError(std::string("cannot map it: ") + std::strerror(errno));
  return {static_cast<std::uint8_t*>(memory), [bytes](std::uint8_t* first) { munmap(first, bytes); }};
}

// JSON holds only UTF-8, but names of files can have any bytes. Different names remain different.
std::string Escaped(const std::string& name) {
  std::string escaped;
  for (const char character : name) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x80 && byte != '%') {
      escaped += character;
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return escaped;
}

std::string MakeHeader(const DatasetIdentity& identity, const Dataset& dataset) {
  const DatasetLayout& layout = dataset.layout;
  const nlohmann::json content = {{"version", kVersion},
                                  {"key", Escaped(identity.key)},
                                  {"stamp", identity.stamp},
                                  {"shape", {layout.shape.channels, layout.shape.height, layout.shape.width}},
                                  {"train", layout.train},
                                  {"holdout", layout.holdout},
                                  {"validation", layout.validation},
                                  {"classes", layout.classes},
                                  {"mean", dataset.mean},
                                  {"deviation", dataset.deviation},
                                  {"checksum", dataset.checksum},
                                  {"notes", dataset.notes}};
  const std::string text = content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json{{"content", content}, {"crc32", Checksum(text.data(), text.size())}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Throws std::exception if MakeHeader() did not write the bytes.
nlohmann::json ReadHeader(const std::uint8_t* bytes) {
  const nlohmann::json header = nlohmann::json::parse(bytes, bytes + kHeaderBytes);
  const nlohmann::json content = header.at("content");
  const std::string text = content.dump();
  if (header.at("crc32") != Checksum(text.data(), text.size())) throw MachineError("its header is damaged");
  return content;
}

// Returns the beginning of an unfinished file. It is the same for files that can be continued.
std::string UnfinishedHeader(const DatasetIdentity& identity, const DatasetLayout& layout) {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::ostringstream text;
  text << kVersion << '\n'
       << identity.key << '\n'
       << identity.stamp << '\n'
       << boot << '\n'
       << layout.shape.channels << ' ' << layout.shape.height << ' ' << layout.shape.width << ' ' << layout.train << ' '
       << layout.holdout << ' ' << layout.validation << ' ' << layout.classes;
  return "unfinished data set " + CacheFileName(text.str()) + "\n";
}

}  // namespace

std::optional<Dataset> OpenDatasetFile(const fs::path& path, const DatasetIdentity& identity, const Tick& tick) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return std::nullopt;
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || info.st_size <= static_cast<off_t>(kHeaderBytes)) {
    throw MachineError("it is truncated");
  }
  const auto bytes = static_cast<std::size_t>(info.st_size);
  const std::shared_ptr<const std::uint8_t> memory = MapFile(file.get(), bytes, PROT_READ);
  const nlohmann::json content = ReadHeader(memory.get());
  if (content.at("version") != kVersion || content.at("key") != Escaped(identity.key) ||
      content.at("stamp") != identity.stamp) {
    return std::nullopt;
  }
  const nlohmann::json& shape = content.at("shape");
  const DatasetLayout layout = {{shape.at(0).get<int>(), shape.at(1).get<int>(), shape.at(2).get<int>()},
                                content.at("train").get<std::size_t>(),
                                content.at("holdout").get<std::size_t>(),
                                content.at("validation").get<std::size_t>(),
                                content.at("classes").get<int>()};
  const std::shared_ptr<const std::uint8_t> block(memory, memory.get() + kHeaderBytes);
  if (bytes - kHeaderBytes != layout.block_bytes()) throw MachineError("it is truncated");
  if (content.at("checksum") != Checksum(block.get(), layout.block_bytes(), 0, tick))
    throw MachineError("it is damaged");
  Dataset dataset = ViewDataset(layout, block, content.at("mean").get<std::vector<float>>(),
                                content.at("deviation").get<std::vector<float>>());
  dataset.checksum = content.at("checksum").get<std::uint32_t>();
  dataset.notes = content.at("notes").get<std::vector<std::string>>();
  return dataset;
}

NewDatasetFile::NewDatasetFile(fs::path path, const DatasetIdentity& identity)
    : path_(std::move(path)), identity_(identity), unfinished_(path_.string() + ".tmp") {}

NewDatasetFile::~NewDatasetFile() {
  if (!finished_ && file_ != nullptr) unlink(unfinished_.c_str());
}

std::size_t NewDatasetFile::Bytes(const DatasetLayout& layout) {
  return kHeaderBytes + layout.block_bytes() + layout.images();
}

LoadBlock NewDatasetFile::Allocate(const DatasetLayout& layout, const Tick& tick) {
  auto file = std::make_unique<FileDescriptor>(open(unfinished_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file->get() < 0) throw MachineError("cannot write " + unfinished_ + ": " + std::strerror(errno));
  file_ = std::move(file);
  bytes_ = Bytes(layout);
  const std::string header = UnfinishedHeader(identity_, layout);
  struct stat info {};
  std::string found(header.size(), '\0');
  const bool continued = fstat(file_->get(), &info) == 0 && info.st_size == static_cast<off_t>(bytes_) &&
                         pread(file_->get(), found.data(), found.size(), 0) == static_cast<ssize_t>(found.size()) &&
                         found == header;
  if (!continued) {
    int error = ftruncate(file_->get(), 0) == 0 ? 0 : errno;
    // Reserve all of it before the first image. If the disk were full, writing to the memory would
    // otherwise kill the process. Reserve it in pieces, because some file systems can only write
    // zeros, which takes long.
    constexpr std::size_t kPiece = std::size_t{256} << 20;
    for (std::size_t done = 0; error == 0 && done < bytes_; done += kPiece) {
      do {
        error = posix_fallocate(file_->get(), static_cast<off_t>(done),
                                static_cast<off_t>(std::min(kPiece, bytes_ - done)));
      } while (error == EINTR);
      Call(tick);
    }
    if (error != 0) {
      throw MachineError("cannot write " + std::to_string(bytes_) + " bytes to " + unfinished_ + ": " +
                         std::strerror(error));
    }
  }
  memory_ = MapFile(file_->get(), bytes_, PROT_READ | PROT_WRITE);
  std::memcpy(memory_.get(), header.data(), header.size());
  std::uint8_t* block = memory_.get() + kHeaderBytes;
  return {{memory_, block}, block + layout.block_bytes()};
}

// Does not sync: the checksum detects data that a power cut has lost.
void NewDatasetFile::Finish(const Dataset& dataset) {
  std::string header = MakeHeader(identity_, dataset);
  if (header.size() >= kHeaderBytes) throw MachineError("the name of the data set is too long");
  header.resize(kHeaderBytes - 1, ' ');
  header += '\n';
  std::memcpy(memory_.get(), header.data(), kHeaderBytes);
  mprotect(memory_.get(), bytes_, PROT_READ);
  // Remove the states, which are only used until the file is finished.
  if (ftruncate(file_->get(), static_cast<off_t>(kHeaderBytes + dataset.layout.block_bytes())) != 0 ||
      rename(unfinished_.c_str(), path_.c_str()) != 0) {
    throw MachineError("cannot finish " + unfinished_ + ": " + std::strerror(errno));
  }
  finished_ = true;
}

}  // namespace layernas::trainer
