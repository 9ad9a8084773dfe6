// Resampling between two fixed rates: the filter of augspec/functional/rates.py.

#include <algorithm>

#include "export.h"
#include "pool.h"
#include "resample.h"

using namespace augspec;

namespace {

constexpr int64_t PIECE = 1 << 14;  // input samples of a piece of work, which fit into the cache

}  // namespace

// Resample rows, (row, time), by period / new_period to (row, size). A period of the output has
// `blocks` blocks of `block` samples, at most BLOCK and perhaps fewer in the last; matrices are
// (block, width, BLOCK), and reach `reach` samples before the place of their block.
AUGSPEC_EXPORT void augspec_resample_rate(const float* rows, int64_t count, int64_t time,
                                          int64_t period, int64_t new_period, int64_t blocks,
                                          int64_t block, int64_t reach, int64_t width,
                                          const float* matrices, int64_t size, int64_t threads,
                                          float* out) {
    const int64_t periods = (size + new_period - 1) / new_period;
    const int64_t part = std::max<int64_t>(1, PIECE / period / TOGETHER) * TOGETHER;
    const int64_t parts = (periods + part - 1) / part;
    const int64_t room = (part + 1) * period + width;
    parallel_for(count * parts, int(threads), [&](int64_t item) {
        const int64_t row = item / parts, first = item % parts * part;
        const int64_t last = std::min(periods, first + part);
        float* sound = scratch(size_t(room));
        float made[TOGETHER * BLOCK];
        const int64_t from = first * period - reach;  // of the first of them
        for (int64_t i = 0; i < room; i++) {
            const int64_t place = from + i;
            sound[i] = place >= 0 && place < time ? rows[row * time + place] : 0.0f;
        }
        for (int64_t k = 0; k < blocks; k++) {
            const int64_t start = k * block * period / new_period;
            const int64_t kept = std::min(block, new_period - k * block);
            for (int64_t p = first; p < last; p += TOGETHER) {
                const int made_now = int(std::min<int64_t>(TOGETHER, last - p));
                multiply(sound + (p - first) * period + start, period,
                         matrices + k * width * BLOCK, width, made_now, made);
                for (int64_t i = 0; i < made_now; i++) {
                    const int64_t place = (p + i) * new_period + k * block;
                    const int64_t fits = std::min(kept, size - place);
                    if (fits > 0) std::copy_n(made + i * BLOCK, fits, out + row * size + place);
                }
            }
        }
    });
}
