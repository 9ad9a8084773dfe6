// The envelope of a spectrum moved, its harmonics kept: augspec/functional/formant.py, which explains
// each step. Frames are taken LANES at a time, all steps after one another.

#include <algorithm>
#include <cmath>

#include "export.h"
#include "fft.h"
#include "frames.h"
#include "pool.h"
#include "powers.h"
#include "trig.h"

using namespace augspec;

namespace {

constexpr int OVERLAP = 4, SHORTEST = 512, LONGEST = 4, UNVOICED = 16;
constexpr float STEPS = 32.0f, PEAK = 0.85f, AGAIN = 0.9f, NO_PEAK = 2.0f, VOICED = 0.1f;
constexpr float FLOOR = 1e-6f, FAINTEST = 1e-20f;

Vec least(Vec a, Vec b) { return a < b ? a : b; }
Vec most(Vec a, Vec b) { return a > b ? a : b; }

// sin(pi x) / (pi x) for x from 0 to 1.
Vec sinc_of(Vec x) {
    return x == 0.0f ? fill(1.0f) : sine(x) / (3.14159265358979f * x);
}

struct Room {
    Vec *data, *spectrum, *spectra, *magnitude, *envelope, *rise, *offset;
    float *rows, *total, *sound;

    Room(Arena& arena, int64_t n, int64_t channels, int64_t padded) {
        data = arena.take<Vec>(size_t(n));
        spectrum = arena.take<Vec>(size_t(n + 2));
        spectra = arena.take<Vec>(size_t((n + 2) * channels));
        magnitude = arena.take<Vec>(size_t(n / 2 + 1));
        envelope = arena.take<Vec>(size_t(n / 2 + 1));
        rise = arena.take<Vec>(size_t(n / LONGEST));
        offset = arena.take<Vec>(size_t(n / LONGEST));
        rows = arena.take<float>(size_t(LANES * (n + LANES)));
        total = arena.take<float>(size_t(n / 2 + 2 + 2 * LANES));
        sound = arena.take<float>(size_t(padded * channels));
    }
};

// Put `count` vectors into rows, one of each lane, `apart` numbers apart.
void to_rows(const Vec* values, int64_t count, int64_t apart, float* rows) {
    for (int64_t i = 0; i < count; i += LANES) {
        Vec square[LANES];
        for (int k = 0; k < LANES; k++) square[k] = i + k < count ? values[i + k] : Vec{};
        transpose(square);
        for (int lane = 0; lane < LANES; lane++) store(rows + lane * apart + i, square[lane]);
    }
}

// The period of each frame in samples, from its autocorrelation, (n).
Vec find_period(const Vec* correlation, int64_t n, const float* lift, Room& room) {
    const int64_t count = n / LONGEST - 1;  // place i is lag i + 1
    Vec lowest = correlation[1] * lift[1];
    for (int64_t i = 0; i < count; i++) {
        const Vec left = correlation[i] * lift[i], here = correlation[i + 1] * lift[i + 1];
        const Vec right = correlation[i + 2] * lift[i + 2];
        const Vec slope = right - left, bend = least(left - 2.0f * here + right, fill(-1e-20f));
        const Vec offset = most(least(-0.5f * slope / bend, fill(0.5f)), fill(-0.5f));
        lowest = least(lowest, here);
        const Vec rise = here - lowest;
        const IntVec is_peak = (here >= left) & (here > right);
        room.rise[i] = is_peak ? rise + 0.25f * slope * offset : rise;
        room.offset[i] = is_peak ? offset : fill(NO_PEAK);
    }
    const int64_t shortest = std::max<int64_t>(n / SHORTEST, 2) - 1, middle = (count - 1) / 2;
    const auto height = [&](int64_t i) {
        Vec value = room.rise[i];
        if (i < middle) {
            const Vec* twice = room.rise + 2 * i;
            value = least(value, most(most(twice[0], twice[1]), twice[2]) / AGAIN);
        }
        return room.offset[i] < NO_PEAK ? value : Vec{};
    };
    Vec highest{};
    for (int64_t i = shortest; i < count; i++) highest = most(highest, height(i));
    Vec period = fill(float(count)), beside = room.offset[count - 1];
    for (int64_t i = count - 1; i >= shortest; i--) {
        const IntVec counts = height(i) >= PEAK * highest;
        period = counts ? fill(float(i + 1)) : period;
        beside = counts ? room.offset[i] : beside;
    }
    period = nearest((period + (beside < NO_PEAK ? beside : Vec{})) * STEPS) / STEPS;
    Vec late = correlation[count / 2];
    for (int64_t i = count / 2 + 1; i < count; i++) late = most(late, correlation[i]);
    return late > VOICED * correlation[0] ? period : fill(float(n) / UNVOICED);
}

// The sum of magnitudes up to a fractional bin; `total` has `last` + 1 sums.
float read(const float* total, int64_t last, float position) {
    position = std::min(std::max(position, 0.0f), float(last));
    const int64_t index = std::min<int64_t>(int64_t(position), last - 1);
    return total[index] + (position - float(index)) * (total[index + 1] - total[index]);
}

// The log of the mean magnitude over one spacing of the harmonics around each bin; `row` is replaced.
void smooth(float* row, int64_t bins, float period, float* total) {
    const float spacing = 2.0f * float(bins - 1) / period;
    total[0] = 0.0f;
    for (int64_t b = 0; b < bins; b++) total[b + 1] = total[b] + row[b];
    const float floor = FLOOR * (total[bins] / float(bins)) + FAINTEST;
    const float top = float(bins - 1) - spacing / 2.0f;
    const float above = (spacing + 1.0f) / 2.0f, below = (spacing - 1.0f) / 2.0f;
    const auto edge = [&](int64_t b) {
        const float center = std::min(std::max(float(b), spacing), top);
        const float area = read(total, bins, center + above) - read(total, bins, center - below);
        row[b] = std::max(area / spacing, 0.0f) + floor;
    };
    // Between these the center is the bin itself, and both places lie inside.
    int64_t first = std::max<int64_t>(int64_t(spacing) + 1, 0);
    int64_t last = std::min<int64_t>(int64_t(top), bins - 2 - int64_t(above));
    first = std::min(first, bins);
    last = std::max(last, first);
    for (int64_t b = 0; b < first; b++) edge(b);
    const int64_t up = int64_t(above), down = int64_t(std::floor(-below));
    const float of_up = above - float(up), of_down = -below - float(down);
    for (int64_t b = first; b < last; b++) {
        const float* high = total + b + up;
        const float* low = total + b + down;
        const float area = high[0] + of_up * (high[1] - high[0]) - low[0] - of_down * (low[1] - low[0]);
        row[b] = std::max(area / spacing, 0.0f) + floor;
    }
    for (int64_t b = last; b < bins; b++) edge(b);
    for (int64_t b = 0; b < bins; b += LANES) store(row + b, log_of(load(row + b)));
}

}  // namespace

// Move the envelopes of units, (unit, channel, time), whose channels share gains: bin k gets the
// level of the envelope at bin sources[k], (unit, n / 2 + 1).
//
// window, resolution, lift: (n), (n / 2 + 1), (n / LONGEST + 1); limit: of the gain in nepers.
AUGSPEC_EXPORT void augspec_move_envelope(const float* waveform, int64_t units, int64_t channels,
                                          int64_t time, const float* sources, int64_t n,
                                          const float* window, const float* resolution,
                                          const float* lift, float limit, int64_t threads,
                                          float* out) {
    const Plan* plan = plan_of(int(n));
    const int64_t hop = n / OVERLAP, bins = n / 2 + 1, blocks = (time + hop - 1) / hop;
    const int64_t frames = blocks + OVERLAP - 1, before = n - hop;
    const int64_t padded = (frames + LANES) * hop + n, apart = n + LANES;
    Arena needed(nullptr);
    Room counted(needed, n, channels, padded);
    parallel_for(units, int(threads), [&](int64_t unit) {
        Arena arena(scratch(needed.used()));
        Room room(arena, n, channels, padded);
        const float* source = sources + unit * bins;
        float* made = out + unit * channels * time;
        std::fill_n(made, channels * time, 0.0f);
        std::fill_n(room.sound, padded * channels, 0.0f);
        for (int64_t c = 0; c < channels; c++)
            std::copy_n(waveform + (unit * channels + c) * time, time, room.sound + c * padded + before);
        for (int64_t first = 0; first < frames; first += LANES) {
            const float* frame[LANES];
            std::fill_n(room.magnitude, bins, Vec{});
            for (int64_t c = 0; c < channels; c++) {
                for (int lane = 0; lane < LANES; lane++)
                    frame[lane] = room.sound + c * padded + (first + lane) * hop;
                load_frames(frame, window, n, room.data);
                Vec* spectrum = room.spectra + c * (n + 2);
                real_forward(*plan, room.data, spectrum);
                for (int64_t k = 0; k < bins; k++) {
                    const Vec re = spectrum[2 * k], im = spectrum[2 * k + 1], power = re * re + im * im;
                    room.magnitude[k] += channels > 1 ? finite(power) : power;
                }
            }
            float* values = reinterpret_cast<float*>(room.magnitude);
            for (int64_t i = 0; i < bins * LANES; i++) values[i] = std::sqrt(values[i]);

            for (int64_t k = 0; k < bins; k++) {
                room.spectrum[2 * k] = room.magnitude[k] * resolution[k];
                room.spectrum[2 * k + 1] = Vec{};
            }
            real_inverse(*plan, room.spectrum, room.data);
            const Vec period = find_period(room.data, n, lift, room);

            to_rows(room.magnitude, bins, apart, room.rows);
            for (int lane = 0; lane < LANES; lane++) {
                smooth(room.rows + lane * apart, bins, period[lane], room.total);
                frame[lane] = room.rows + lane * apart;
            }
            load_frames(frame, nullptr, bins, room.envelope);
            for (int64_t k = 0; k < bins; k++) {
                room.spectrum[2 * k] = room.envelope[k];
                room.spectrum[2 * k + 1] = Vec{};
            }
            real_inverse(*plan, room.spectrum, room.data);
            for (int64_t lag = 0; lag < bins; lag++) {
                const Vec place = fill(float(lag));
                const Vec weight = place < period ? sinc_of(place / period) : Vec{};
                room.data[lag] *= weight;
                if (lag > 0 && lag < n - lag) room.data[n - lag] *= weight;
            }
            real_forward(*plan, room.data, room.spectrum);
            for (int64_t k = 0; k < bins; k++) room.envelope[k] = room.spectrum[2 * k];

            for (int64_t k = 0; k < bins; k++) {
                const float position = std::min(std::max(source[k], 0.0f), float(bins - 1));
                const bool is_place = position == position;  // a shift that is NaN makes all NaN
                const int64_t index = is_place ? std::min<int64_t>(int64_t(position), bins - 2) : 0;
                const Vec low = room.envelope[index], high = room.envelope[index + 1];
                const Vec moved = low + (position - float(index)) * (high - low);
                const Vec gain = moved - room.envelope[k];
                room.magnitude[k] = exponential(most(fill(-limit), least(fill(limit), gain)), false);
            }
            for (int64_t c = 0; c < channels; c++) {
                Vec* spectrum = room.spectra + c * (n + 2);
                for (int64_t k = 0; k < bins; k++) {
                    spectrum[2 * k] *= room.magnitude[k];
                    spectrum[2 * k + 1] *= room.magnitude[k];
                }
                real_inverse(*plan, spectrum, room.data);
                to_rows(room.data, n, apart, room.rows);
                for (int lane = 0; lane < LANES && first + lane < frames; lane++) {
                    const int64_t start = (first + lane) * hop - before;
                    const int64_t from = std::max<int64_t>(-start, 0), to = std::min(n, time - start);
                    const float* piece = room.rows + lane * apart;
                    float* sum = made + c * time + start;
                    for (int64_t i = from; i < to; i++)
                        sum[i] += piece[i] * window[i] * (1.0f / (0.375f * OVERLAP));
                }
            }
        }
    });
}
