// Compiles functions also for wider vectors than the build's baseline has.
#pragma once

// Compiles several versions of a function. When the program is loaded, the best one for the
// processor is chosen. Functions that it calls must be inlined to be part of that.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LAYERNAS_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LAYERNAS_VECTORIZED
#endif
#define LAYERNAS_INLINE inline __attribute__((always_inline))

namespace layernas::trainer {

// The compiler uses as many registers for it as necessary.
constexpr int kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

}  // namespace layernas::trainer
