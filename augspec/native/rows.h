// Parallel loops over the rows of spectrograms.
#pragma once

#include <algorithm>

#include "pool.h"
#include "simd.h"

namespace augspec {

// How many threads share work of as much time as a copy of `cells` takes: to wake one takes as long
// as a copy of some ten thousand.
inline int threads_for(int64_t cells, int64_t threads) {
    return int(std::clamp<int64_t>(cells >> 17, 1, std::max<int64_t>(threads, 1)));
}

// Call `work(row)` for each row, which takes as much time as a copy of `cells`. Some rows are an item
// of the pool, some ten thousand cells.
template <class Work>
void for_rows(int64_t rows, int64_t cells, int64_t threads, Work&& work) {
    const int64_t some = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, cells));
    const int count = threads_for(rows * cells, threads);
    parallel_for((rows + some - 1) / some, count, [&](int64_t item) {
        for (int64_t r = item * some; r < std::min(rows, (item + 1) * some); r++) work(r);
    });
}

inline int64_t whole_vectors(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

// `count` numbers, at most a vector of them, and zeros.
inline Vec load_some(const float* from, int64_t count) {
    if (count >= LANES) return load(from);
    Vec value{};
    for (int64_t lane = 0; lane < count; lane++) value[lane] = from[lane];
    return value;
}

}  // namespace augspec
