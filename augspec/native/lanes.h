// What kernels need in which lane l of every vector is of frame l.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "simd.h"

namespace augspec {

// Marks a function whose products and sums are each rounded, as they are in torch: whole samples and
// choices follow from them.
#if defined(__clang__)
#define AUGSPEC_ROUNDED
#pragma STDC FP_CONTRACT OFF
#else
#define AUGSPEC_ROUNDED __attribute__((optimize("fp-contract=off")))
#endif

// Hands out parts of one piece of memory. With none to hand out it only counts: a kernel lists what
// it needs in one function, which runs once to count and once to take.
class Arena {
  public:
    explicit Arena(float* memory) : memory_(memory) {}

    template <class T>
    T* take(size_t count) {
        T* taken = memory_ ? reinterpret_cast<T*>(memory_ + used_) : nullptr;
        used_ += (count * sizeof(T) + 63) / 64 * 16;
        return taken;
    }

    size_t used() const { return used_; }

  private:
    float* memory_;
    size_t used_ = 0;
};

inline IntVec bits(Vec value) { return reinterpret_cast<IntVec>(value); }
inline Vec from_bits(IntVec value) { return reinterpret_cast<Vec>(value); }
inline Vec magnitude(Vec value) { return from_bits(bits(value) & 0x7fffffff); }

// 0 where a value is not finite: one channel that is not has no say in what all share.
inline Vec finite(Vec value) {
    return magnitude(value) <= fill(3.4028235e38f) ? value : Vec{};
}

// To the nearest whole number, of two the even one. For magnitudes below 2^22.
inline Vec nearest(Vec value) { return (value + 12582912.0f) - 12582912.0f; }

template <int COUNT, size_t... I>
inline Vec shift_lanes(Vec before, Vec here, std::index_sequence<I...>) {
    return __builtin_shufflevector(before, here, int(LANES - COUNT + I)...);
}

// Move lanes up by COUNT; into the lowest come the highest of `before`.
template <int COUNT>
inline Vec shift_up(Vec before, Vec here) {
    return shift_lanes<COUNT>(before, here, std::make_index_sequence<LANES>());
}

}  // namespace augspec
