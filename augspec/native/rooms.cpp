// Impulse responses of rooms that are made of noise.

#include <cmath>

#include "export.h"
#include "powers.h"
#include "rows.h"

using namespace augspec;

// Turn rows of normal values, (row, size), into responses: `room_response` of
// augspec/functional/reverb.py.
//
// decays, ratios: (row), the exponent of a row for each sample, and its energy of the direct sound
// over that of the rest. The output may be the input.
AUGSPEC_EXPORT void augspec_room(const float* noise, int64_t rows, int64_t size,
                                 const float* decays, const float* ratios, int64_t threads,
                                 float* out) {
    constexpr int64_t BLOCK = 1 << 12;  // samples whose energy is summed in float32
    Vec lanes;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = float(lane);
    for_rows(rows, 4 * size, threads, [&](int64_t r) {
        const float* from = noise + r * size;
        float* to = out + r * size;
        const float decay = decays[r], ratio = ratios[r];
        double power = 0.0;
        for (int64_t first = 0; first < size; first += BLOCK) {
            Vec sums{};
            for (int64_t t = first; t < std::min(first + BLOCK, size); t += LANES) {
                const Vec fall = exponential((float(t) + lanes) * decay, false);
                Vec x = load_some(from + t, size - t) * fall;
                if (t == 0) x[0] = 0.0f;  // of the direct sound
                sums += x * x;
                store_some(to + t, x, size - t);
            }
            for (int lane = 0; lane < LANES; lane++) power += double(sums[lane]);
        }
        const float scale = 1.0f / std::sqrt(std::max(float(power), 1e-30f) * (1.0f + ratio));
        for (int64_t t = 0; t < size; t += LANES)
            store_some(to + t, load_some(to + t, size - t) * scale, size - t);
        if (size > 0) to[0] = std::sqrt(ratio / (1.0f + ratio));
    });
}
