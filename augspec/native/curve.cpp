// The time map of a tempo that varies: `place` of `CurvedPace` in augspec/functional/pace.py.
// Positions are 32.32 fixed-point numbers; what is float32 there is float here.

#include <algorithm>
#include <cmath>

#include "export.h"
#include "lanes.h"
#include "pool.h"

using namespace augspec;

namespace {

constexpr int64_t ONE = int64_t(1) << 32;
constexpr float STEEPEST = 2.0f;

// Rounded down; a divisor below 1 counts as 1.
int64_t divide(int64_t dividend, int64_t divisor) {
    divisor = std::max<int64_t>(divisor, 1);
    return dividend / divisor - (dividend % divisor < 0);
}

// Rates at equal distances over the output: of each piece its first output sample, its length, its
// first input position, its first rate, and the increase of the rate, (5, count).
struct Curve {
    const int64_t* pieces;
    int64_t count;

    struct Point {
        int64_t position, step;
    };

    Point at(int64_t place) const {
        const auto later = pieces + 1, end = pieces + count;
        const int64_t piece = std::upper_bound(later, end, place) - later;
        const auto of = [&](int64_t row) { return pieces[row * count + piece]; };
        const int64_t width = of(1), since = place - of(0);
        const int64_t inside = std::min(std::max<int64_t>(since, 0), width), risen = inside * of(4);
        const int64_t here = of(3) + divide(risen, width);
        const int64_t bend = divide(risen, 2 * width) * inside;
        return {of(2) + inside * of(3) + bend + (since - inside) * here, here};
    }

    // Output samples from a place to an onset on one side of it, 1 after and -1 before, by two steps
    // of Newton's method; and the rate there.
    int64_t distance(int64_t place, Point here, int64_t onset, int64_t side, int64_t n_fft,
                     int64_t& step) const {
        int64_t distance = 0;
        for (int i = 0; i < 2; i++) {
            const int64_t left = divide(side * onset * ONE - side * here.position + here.step / 2, here.step);
            distance += std::clamp(left, -64 * n_fft, 64 * n_fft);
            here = at(place + side * distance);
        }
        step = here.step;
        return distance;
    }
};

// The input sample at the center of a frame that is near an onset: `copy_attacks`.
AUGSPEC_ROUNDED int64_t copy_attack(int64_t plain, int64_t before, int64_t after, int64_t since,
                                    int64_t until, int64_t step, int64_t n_fft) {
    const int64_t reach = n_fft / 2, distance = std::min(since, until);
    const bool is_since = since < until;
    const float half_rate = float(step) * (0.5f / float(ONE)), lean = 1.0f - 2.0f * half_rate;
    const float slope = std::min(half_rate / std::max(std::fabs(lean), 1e-3f), STEEPEST);
    const float returning = float(reach) - slope * float(distance - reach);
    const float shared = slope * (float(since + until) * 0.5f - float(distance));
    if (float(distance) <= std::min(shared, float(reach)))
        return is_since ? before + since : after - until;
    const float excess = std::max(std::min(std::min(float(distance), shared), returning), 0.0f);
    return plain + std::lrint(excess * (is_since ? lean : -lean));
}

}  // namespace

// Choose the input sample at the center of the frame at each of `count` places, for rows of pieces,
// (row, 5, piece); last, first: the onsets around each block, (row, block). The results are (row,
// place): the centers, and how far ahead the next onset is.
AUGSPEC_EXPORT void augspec_map_curve(const int64_t* places, int64_t count, const int64_t* pieces,
                                      int64_t rows, int64_t per_row, const int64_t* last,
                                      const int64_t* first, int64_t blocks, int64_t n_fft,
                                      int64_t threads, int64_t* centers, int64_t* until) {
    parallel_for(rows, int(threads), [&](int64_t row) {
        const Curve curve{pieces + row * 5 * per_row, per_row};
        for (int64_t i = 0; i < count; i++) {
            const int64_t place = places[i];
            const Curve::Point here = curve.at(place);
            const int64_t plain = (here.position + ONE / 2) >> 32;
            const int64_t block = std::clamp<int64_t>(divide(plain, n_fft / 32), 0, blocks - 1);
            const int64_t before = last[row * blocks + block], after = first[row * blocks + block];
            int64_t at_before, at_after;
            const int64_t since = curve.distance(place, here, before, -1, n_fft, at_before);
            const int64_t ahead = curve.distance(place, here, after, 1, n_fft, at_after);
            const int64_t both = here.step + (since < ahead ? at_before : at_after);
            centers[row * count + i] =
                copy_attack(plain, before, after, since, ahead, both >> 1, n_fft);
            until[row * count + i] = ahead;
        }
    });
}
