// Vectors of LANES floats, from the vector extensions of GCC and clang.
//
// The same source is compiled once for each instruction set, into a library of its own. LANES is what one register
// of that set holds.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define AUGSPEC_LANES 16
#elif defined(__AVX2__)
#define AUGSPEC_LANES 8
#else  // SSE2, NEON
#define AUGSPEC_LANES 4
#endif

namespace augspec {

constexpr int LANES = AUGSPEC_LANES;

typedef float Vec __attribute__((vector_size(4 * AUGSPEC_LANES), may_alias));
typedef int32_t IntVec __attribute__((vector_size(4 * AUGSPEC_LANES), may_alias));
// The same at any address.
typedef float LooseVec __attribute__((vector_size(4 * AUGSPEC_LANES), may_alias, aligned(4)));

inline Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<LooseVec*>(to) = value; }
inline Vec fill(float value) { return value - Vec{}; }

// The first `count` numbers of a vector, or all.
inline void store_some(float* to, Vec value, int64_t count) {
    if (count >= LANES) {
        store(to, value);
    } else {
        for (int64_t lane = 0; lane < count; lane++) to[lane] = value[lane];
    }
}

// Vectors `first` and `second` zipped within each 128-bit part, by single floats or by pairs, and
// parts of 128 bits taken from both: the steps of `transpose`.
#if AUGSPEC_LANES == 16
#define AUGSPEC_ZIP(a, b, x) \
    __builtin_shufflevector(a, b, x, x + 16, x + 1, x + 17, x + 4, x + 20, x + 5, x + 21, x + 8, \
                            x + 24, x + 9, x + 25, x + 12, x + 28, x + 13, x + 29)
#define AUGSPEC_PAIRS(a, b, x) \
    __builtin_shufflevector(a, b, x, x + 1, x + 16, x + 17, x + 4, x + 5, x + 20, x + 21, x + 8, \
                            x + 9, x + 24, x + 25, x + 12, x + 13, x + 28, x + 29)
#define AUGSPEC_PARTS(a, b, x) \
    __builtin_shufflevector(a, b, x, x + 1, x + 2, x + 3, x + 8, x + 9, x + 10, x + 11, x + 16, \
                            x + 17, x + 18, x + 19, x + 24, x + 25, x + 26, x + 27)
#elif AUGSPEC_LANES == 8
#define AUGSPEC_ZIP(a, b, x) \
    __builtin_shufflevector(a, b, x, x + 8, x + 1, x + 9, x + 4, x + 12, x + 5, x + 13)
#define AUGSPEC_PAIRS(a, b, x) \
    __builtin_shufflevector(a, b, x, x + 1, x + 8, x + 9, x + 4, x + 5, x + 12, x + 13)
#define AUGSPEC_PARTS(a, b, x) \
    __builtin_shufflevector(a, b, x, x + 1, x + 2, x + 3, x + 8, x + 9, x + 10, x + 11)
#else
#define AUGSPEC_ZIP(a, b, x) __builtin_shufflevector(a, b, x, x + 4, x + 1, x + 5)
#define AUGSPEC_PAIRS(a, b, x) __builtin_shufflevector(a, b, x, x + 1, x + 4, x + 5)
#endif

// Transpose a square of LANES x LANES: row i, column j becomes row j, column i.
inline void transpose(Vec* rows) {
    Vec pairs[LANES];
    for (int i = 0; i < LANES; i += 4) {  // squares of 4 x 4 within each 128-bit part
        Vec low = AUGSPEC_ZIP(rows[i], rows[i + 1], 0), high = AUGSPEC_ZIP(rows[i], rows[i + 1], 2);
        Vec low2 = AUGSPEC_ZIP(rows[i + 2], rows[i + 3], 0);
        Vec high2 = AUGSPEC_ZIP(rows[i + 2], rows[i + 3], 2);
        pairs[i] = AUGSPEC_PAIRS(low, low2, 0);
        pairs[i + 1] = AUGSPEC_PAIRS(low, low2, 2);
        pairs[i + 2] = AUGSPEC_PAIRS(high, high2, 0);
        pairs[i + 3] = AUGSPEC_PAIRS(high, high2, 2);
    }
#if AUGSPEC_LANES == 16
    for (int k = 0; k < 4; k++) {  // squares of 4 x 4 parts
        Vec a = pairs[k], b = pairs[4 + k], c = pairs[8 + k], d = pairs[12 + k];
        Vec even = AUGSPEC_PARTS(a, b, 0), odd = AUGSPEC_PARTS(a, b, 4);
        Vec even2 = AUGSPEC_PARTS(c, d, 0), odd2 = AUGSPEC_PARTS(c, d, 4);
        rows[k] = AUGSPEC_PARTS(even, even2, 0);
        rows[8 + k] = AUGSPEC_PARTS(even, even2, 4);
        rows[4 + k] = AUGSPEC_PARTS(odd, odd2, 0);
        rows[12 + k] = AUGSPEC_PARTS(odd, odd2, 4);
    }
#elif AUGSPEC_LANES == 8
    for (int k = 0; k < 4; k++) {
        rows[k] = AUGSPEC_PARTS(pairs[k], pairs[4 + k], 0);
        rows[4 + k] = AUGSPEC_PARTS(pairs[k], pairs[4 + k], 4);
    }
#else
    for (int i = 0; i < LANES; i++) rows[i] = pairs[i];
#endif
}

}  // namespace augspec
