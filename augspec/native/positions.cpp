// Samples taken at positions that change along a row: held, or interpolated between.

#include <algorithm>
#include <cmath>

#include "export.h"
#include "lanes.h"
#include "pool.h"
#include "trig.h"

using namespace augspec;

// Sample each row, (row, time), at a lower rate and hold each sample: what
// augspec/functional/distortion.py calls aliasing. rates: (group), from 1 to `rate`, in the same
// unit; `rows / groups` rows share one.
AUGSPEC_EXPORT void augspec_hold(const float* waveform, int64_t rows, int64_t time, int64_t groups,
                                 const int64_t* rates, int64_t rate, int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const float* from = waveform + r * time;
        const int64_t step = rates[r / (rows / groups)];
        int64_t passed = rate;  // since the last sample that was taken
        float held = 0.0f;
        for (int64_t t = 0; t < time; t++) {
            const bool is_taken = passed >= rate;  // no branch: it could not be predicted
            held = is_taken ? from[t] : held;
            passed += step - (is_taken ? rate : 0);
            out[r * time + t] = held;
        }
    });
}

namespace {

constexpr int TAPS = 32, POWERS = 8;  // as in augspec/functional/flutter.py

}  // namespace

// Interpolate examples, (batch, channel, time): sample t of the output is the sound at t +
// offsets[t], (batch, time). Tap i of the filter for a fraction f is the sum over powers p of
// filters[p][i] f^p, (POWERS, TAPS), and reaches from TAPS / 2 - 1 samples before to TAPS / 2 after.
// Silence lies around a sound.
AUGSPEC_EXPORT void augspec_interpolate(const float* waveform, int64_t batch, int64_t channels,
                                        int64_t time, const float* offsets, const float* filters,
                                        int64_t threads, float* out) {
    constexpr int64_t PIECE = 1 << 13;
    constexpr int VECTORS = TAPS / LANES;
    const int64_t pieces = (time + PIECE - 1) / PIECE;
    parallel_for(batch * pieces, int(threads), [&](int64_t item) {
        const int64_t example = item / pieces, first = item % pieces * PIECE;
        const int64_t last = std::min(time, first + PIECE);
        const float bound = float(time + TAPS);
        Vec filter[LANES][VECTORS];
        for (int64_t t = first; t < last; t += LANES) {
            const int64_t count = std::min<int64_t>(LANES, last - t);
            int64_t begin[LANES];
            for (int64_t i = 0; i < count; i++) {
                const float offset = offsets[example * time + t + i], down = std::floor(offset);
                // Beyond this everything is silent; a position that is not a number counts as such.
                const bool is_near = down >= -bound && down <= bound;
                begin[i] = (is_near ? t + i + int64_t(down) : -TAPS) - (TAPS / 2 - 1);
                const Vec fraction = fill(offset - down);
                for (int v = 0; v < VECTORS; v++)
                    filter[i][v] = load(filters + (POWERS - 1) * TAPS + v * LANES);
                for (int p = POWERS - 2; p >= 0; p--)
                    for (int v = 0; v < VECTORS; v++)
                        filter[i][v] = filter[i][v] * fraction + load(filters + p * TAPS + v * LANES);
            }
            for (int64_t c = 0; c < channels; c++) {
                const float* row = waveform + (example * channels + c) * time;
                Vec sums[LANES] = {};
                for (int64_t i = 0; i < count; i++) {
                    float around[TAPS];
                    const float* heard = row + begin[i];
                    if (begin[i] < 0 || begin[i] + TAPS > time) {
                        for (int64_t k = 0; k < TAPS; k++) {
                            const int64_t place = begin[i] + k;
                            around[k] = place >= 0 && place < time ? row[place] : 0.0f;
                        }
                        heard = around;
                    }
                    for (int v = 0; v < VECTORS; v++) sums[i] += load(heard + v * LANES) * filter[i][v];
                }
                transpose(sums);  // the lanes of each sum, to be added
                for (int half = LANES / 2; half > 0; half /= 2)
                    for (int k = 0; k < half; k++) sums[k] += sums[k + half];
                store_some(out + (example * channels + c) * time + t, sums[0], count);
            }
        }
    });
}

// How far the source of each output sample lies from it, (batch, count), for variations of speed
// that return to 0 at the end: the sum of `swings` of them, `_bend` of augspec/functional/flutter.py.
//
// places: (count); ends: (batch). The others are (swing, batch): amplitudes in samples; turns of a
// sample and at the start in 52 bits; the cosine at the start, and how much smaller it is at the end.
AUGSPEC_EXPORT void augspec_swing(const int64_t* places, int64_t count, const int64_t* ends,
                                  int64_t batch, int64_t swings, const float* reaches,
                                  const int64_t* steps, const int64_t* starts,
                                  const float* at_starts, const float* until_ends, int64_t threads,
                                  float* out) {
    constexpr int64_t PIECE = 1 << 14;
    const int64_t pieces = (count + PIECE - 1) / PIECE;
    parallel_for(batch * pieces, int(threads), [&](int64_t item) {
        const int64_t example = item / pieces, first = item % pieces * PIECE;
        const int64_t last = std::min(count, first + PIECE);
        const float end = float(std::max<int64_t>(ends[example], 1));
        for (int64_t t = first; t < last; t += LANES) {
            const int64_t some = std::min<int64_t>(LANES, last - t);
            float share[LANES] = {}, turn[LANES] = {}, sum[LANES];
            for (int64_t i = 0; i < some; i++) share[i] = float(places[t + i]) / end;
            Vec total{};
            for (int64_t s = example; s < swings * batch; s += batch) {
                for (int64_t i = 0; i < some; i++) {
                    const uint64_t turns = uint64_t(starts[s]) + uint64_t(places[t + i]) * uint64_t(steps[s]);
                    turn[i] = float(uint32_t(turns >> 20)) * 0x1p-31f;  // in half turns
                }
                total += reaches[s] * (at_starts[s] - cosine(load(turn)) - load(share) * until_ends[s]);
            }
            store(sum, total);
            std::copy_n(sum, some, out + example * count + t);
        }
    });
}
