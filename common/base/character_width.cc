#include "common/base/character_width.h"

#include <locale.h>
#include <wchar.h>

namespace layernas {

int CharacterWidth(std::uint32_t code) {
  if (code < 0x80) return 1;
  // Built into glibc. It is never freed, because threads may use it until the process ends.
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
  if (utf8 == locale_t{}) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(code));
  uselocale(before);
  // Not assigned, or a control character, which callers have replaced.
  return width < 0 ? 1 : width;
}

}  // namespace layernas
