// For functions whose loops are worth compiling for wider vectors than the build's baseline has.
#pragma once

// Several versions of a function, of which the processor's best is taken when the program is loaded. What it calls must
// be inlined to be part of that.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LAYERNAS_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LAYERNAS_VECTORIZED
#endif
#define LAYERNAS_INLINE inline __attribute__((always_inline))

namespace layernas::trainer {

// The compiler makes of it as many registers as it takes.
constexpr int kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

}  // namespace layernas::trainer
