// The hash of augspec/random.py.
#pragma once

#include <cstdint>

namespace augspec {

constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15u;

// The finaliser of SplitMix64.
inline uint64_t scramble(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

// 64 random bits for a key and the counter of a stream; `scrambled` is scramble(key ^ stream).
inline uint64_t bits_of(uint64_t scrambled, int64_t counter) {
    return scramble(scrambled + uint64_t(counter) * GOLDEN);
}

// A multiple of 2**-24 in [0, 1), from the top bits.
inline float unit_of(uint64_t bits) { return float(int32_t(bits >> 40)) * 0x1p-24f; }

}  // namespace augspec
