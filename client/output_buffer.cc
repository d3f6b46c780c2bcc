#include "client/output_buffer.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace layernas::client {

OutputBuffer::OutputBuffer(int fd) : fd_(fd) { setp(buffer_.data(), buffer_.data() + buffer_.size()); }

OutputBuffer::int_type OutputBuffer::overflow(int_type c) {
  if (!Write()) return traits_type::eof();
  if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
  return traits_type::not_eof(c);
}

int OutputBuffer::sync() { return Write() ? 0 : -1; }

bool OutputBuffer::Write() {
  const char* next = pbase();
  while (error_ == 0 && next < pptr()) {
    const ssize_t count = ::write(fd_, next, static_cast<std::size_t>(pptr() - next));
    if (count > 0) next += count;
    if (count < 0 && errno != EINTR) error_ = errno;
  }
  setp(buffer_.data(), buffer_.data() + buffer_.size());
  return error_ == 0;
}

absl::Status FlushOutput(std::ostream& out) {
  out.flush();
  if (out.good()) return absl::OkStatus();
  const auto* buffer = dynamic_cast<const OutputBuffer*>(out.rdbuf());
  std::string message = "cannot write the output";
  if (buffer != nullptr && buffer->error() != 0) {
    message += ": " + std::generic_category().message(buffer->error());
  }
  return absl::UnknownError(message);
}

}  // namespace layernas::client
