// Draws: the hash of `augspec/random.py`, of a few keys at a time.

#include <cstdint>

#include "export.h"

namespace {

// The finaliser of SplitMix64.
uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

// Call `take(place, hash)` for each key, or, with channels, for each channel of each key.
template <class Take>
void hash(const int64_t* keys, int64_t count, int64_t stream, int64_t channels, Take take) {
    for (int64_t i = 0; i < count; i++) {
        const uint64_t mixed = mix(uint64_t(keys[i]) ^ uint64_t(stream));
        if (channels == 0) take(i, mixed);
        for (int64_t c = 0; c < channels; c++)
            take(i * channels + c, mix(mixed + uint64_t(c) * 0x9E3779B97F4A7C15u));
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
    hash(keys, count, stream, channels, [&](int64_t place, uint64_t bits) {
        out[place] = float(bits >> 40) * 0x1p-24f;
    });
}
