// Draws: the hash of `augspec/random.py`, of a few keys at a time.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "decibel.h"
#include "export.h"
#include "hash.h"
#include "pool.h"
#include "trig.h"

using namespace augspec;

namespace {

// Call `take(place, hash)` for each key, or, with channels, for each channel of each key.
template <class Take>
void hash(const int64_t* keys, int64_t count, int64_t stream, int64_t channels, Take take) {
    for (int64_t i = 0; i < count; i++) {
        const uint64_t mixed = scramble(uint64_t(keys[i]) ^ uint64_t(stream));
        if (channels == 0) take(i, mixed);
        for (int64_t c = 0; c < channels; c++) take(i * channels + c, bits_of(mixed, c));
    }
}

}  // namespace

// 64 random bits for each of `count` keys, or (key, channel) where channels is not 0.
AUGSPEC_EXPORT void augspec_bits(const int64_t* keys, int64_t count, int64_t stream,
                                 int64_t channels, int64_t* out) {
    hash(keys, count, stream, channels,
         [&](int64_t place, uint64_t bits) { out[place] = int64_t(bits); });
}

// Likewise multiples of 2**-24 in [0, 1), from the top bits.
AUGSPEC_EXPORT void augspec_unit(const int64_t* keys, int64_t count, int64_t stream,
                                 int64_t channels, float* out) {
    hash(keys, count, stream, channels,
         [&](int64_t place, uint64_t bits) { out[place] = unit_of(bits); });
}

// Normal values, (row, time): `_normal_pairs` of augspec/functional/noise.py. Each hash of a row's key
// and of a counter from firsts[row] on gives two, by Box and Muller.
AUGSPEC_EXPORT void augspec_normal(const int64_t* keys, const int64_t* firsts, int64_t rows,
                                   int64_t time, int64_t stream, int64_t threads, float* out) {
    constexpr int64_t PIECE = 1 << 13;  // pairs
    const int64_t pairs = (time + 1) / 2, pieces = (pairs + PIECE - 1) / PIECE;
    parallel_for(rows * pieces, int(threads), [&](int64_t item) {
        const int64_t row = item / pieces, begin = item % pieces * PIECE;
        const int64_t end = std::min(pairs, begin + PIECE);
        const uint64_t mixed = scramble(uint64_t(keys[row]) ^ uint64_t(stream));
        float* to = out + row * time;
        for (int64_t first = begin; first < end; first += LANES) {
            float unit[LANES], turn[LANES], both[2][LANES];
            for (int lane = 0; lane < LANES; lane++) {
                const uint64_t bits = bits_of(mixed, firsts[row] + first + lane);
                unit[lane] = unit_of(bits);
                turn[lane] = float(int32_t(bits & 0xFFFFFF)) * 0x1p-23f;  // in half turns
            }
            const Vec power = -2.0f * log_of(1.0f - load(unit));
            for (int lane = 0; lane < LANES; lane++) unit[lane] = std::sqrt(power[lane]);
            store(both[0], load(unit) * cosine(load(turn)));
            store(both[1], load(unit) * sine(load(turn)));
            const int64_t count = std::min<int64_t>(2 * LANES, time - 2 * first);
            for (int64_t i = 0; i < std::min(count, 2 * (end - first)); i++)
                to[2 * first + i] = both[i % 2][i / 2];
        }
    });
}
