#include "common/security/sha256.h"

#include <openssl/sha.h>

namespace layernas::security {

Digest Sha256(std::string_view bytes) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

}  // namespace layernas::security
