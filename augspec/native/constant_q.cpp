// The magnitude of the constant-Q transform: each row of audio on one thread, from its decimation to
// its magnitudes. augspec/features/constant_q.py is the reference.
//
// Decimation: the spectrum of the whole row, of which the slower rate's bins are kept, each times the
// low-pass filter's response, and a shorter inverse transform. In blocks it would not be the same: the
// response has a step at its end, so that a tone there is heard for as long as the row.
//
// Filters: LANES frames side by side. But for its first sample, a frame is a pair of samples for each
// distance from its middle. A filter, turned so that its middle is real, weighs the sum of a pair with
// its real part and the difference with its imaginary part; if its window is not symmetric, both with
// both.

#include <algorithm>
#include <cmath>
#include <vector>

#include "export.h"
#include "fft.h"
#include "frames.h"
#include "lanes.h"
#include "long_fft.h"
#include "rows.h"

using namespace augspec;

namespace {

constexpr int64_t TILE = 6;     // filters whose sums are in registers
constexpr int64_t GROUPS = 2;   // vectors of frames that share what is read of a filter
constexpr int64_t CHUNK = 64;   // pairs of samples that are in the first cache

// A row of the table that Python passes.
struct Octave {
    int64_t bins;
    int64_t factor;  // by which the rate is divided first; 1 is not at all
    int64_t period;  // samples of the transform for it
    int64_t n_fft;   // samples of a filter

    int64_t tiles() const { return (bins + TILE - 1) / TILE; }
    int64_t half() const { return n_fft / 2; }
};

// What an octave needs that is the same for all rows.
struct Step {
    Octave octave;
    const LongPlan *plan, *short_plan;  // of the row before and after its decimation; null if it has none
    const float* response;
    const float* weights;  // (product, tile, pair, filter)
    int64_t hop_length;
    int64_t first;  // of the bins of the output
};

struct Layout {
    std::vector<Step> steps;
    int64_t time, frames, bins;
    int64_t products;  // 2: real of sums, imaginary of differences; 4: then the other two
    float power;
};

// Zeros around the audio: what frames and vectors read beyond its ends.
int64_t margin_of(const Layout& how) {
    int64_t margin = 0;
    for (const Step& step : how.steps) margin = std::max(margin, step.octave.half());
    return whole_vectors(margin + 1) + 2 * LANES;
}

struct Room {
    int64_t margin;
    float *sound, *slower;
    Apart numbers, kept, middle;
    Vec *data, *sums, *differences, *parts;

    Room(Arena& arena, const Layout& how) : margin(margin_of(how)) {
        size_t size = 0, between = 0, room = 2 * CHUNK;
        int64_t tiles = 0;
        for (const Step& step : how.steps) {
            tiles = std::max(tiles, step.octave.tiles());
            for (const LongPlan* plan : {step.plan, step.short_plan}) {
                if (!plan) continue;
                size = std::max(size, size_t(plan->size));
                between = std::max(between, plan->between());
                room = std::max(room, plan->room());
            }
        }
        sound = arena.take<float>(size_t(how.time + 2 * margin));
        slower = arena.take<float>(size_t((size ? how.time / 2 + 1 : 0) + 2 * margin));
        numbers = take(arena, size + 2 * LANES);
        kept = take(arena, size / 2 + 2 * LANES);
        middle = take(arena, between);
        data = arena.take<Vec>(room);
        sums = arena.take<Vec>(CHUNK * GROUPS);
        differences = arena.take<Vec>(CHUNK * GROUPS);
        parts = arena.take<Vec>(size_t(2 * tiles * TILE * GROUPS));
    }

    static Apart take(Arena& arena, size_t count) {
        float* re = arena.take<float>(count);
        return {re, arena.take<float>(count)};
    }
};

// The even or odd numbers of two vectors that follow one another, and the opposite.
template <int PART, size_t... I>
Vec every_second(Vec first, Vec second, std::index_sequence<I...>) {
    return __builtin_shufflevector(first, second, int(2 * I + PART)...);
}
template <size_t... I>
Vec zip(Vec first, Vec second, int64_t half, std::index_sequence<I...>) {
    return half ? __builtin_shufflevector(first, second, int((I + LANES) / 2 + I % 2 * LANES)...)
                : __builtin_shufflevector(first, second, int(I / 2 + I % 2 * LANES)...);
}
template <size_t... I>
Vec backwards(Vec value, std::index_sequence<I...>) {
    return __builtin_shufflevector(value, value, int(LANES - 1 - I)...);
}
constexpr auto IN_ORDER = std::make_index_sequence<LANES>();

// Numbers at `at`, at - 1 and so on.
Complex load_down(Apart from, int64_t at) {
    const Complex up = load(from, at - LANES + 1);
    return {backwards(up.re, IN_ORDER), backwards(up.im, IN_ORDER)};
}

// From the transform of pairs of samples as complex numbers, twice the bins of the samples that are
// kept, times their response. See `for_each_pair` of fft.h.
void keep(const LongPlan& plan, const float* response, int64_t count, Apart numbers, Apart kept) {
    numbers.re[plan.size] = numbers.re[0];
    numbers.im[plan.size] = numbers.im[0];
    for (int64_t k = 0; k < count; k += LANES) {
        const Complex p = load(numbers, k), q = load_down(numbers, plan.size - k);
        const Complex even{p.re + q.re, p.im - q.im}, odd{p.im + q.im, q.re - p.re};
        const Complex bins = even + odd * plan.of_reals.at(k / LANES, 0);
        const Vec factor = load_some(response + k, count - k);
        store(kept, k, {factor * bins.re, factor * bins.im});
    }
    kept.re[count] = kept.im[count] = 0.0f;
}

// From bins of samples to the transform of pairs of them. See `real_inverse` of fft.h.
void spread(const LongPlan& plan, float scale, Apart kept, Apart numbers) {
    for (int64_t k = 0; k < plan.size; k += LANES) {
        const Complex a = load(kept, k), b = load_down(kept, plan.size - k);
        const Complex turn = plan.of_reals.at(k / LANES, 0);
        const Complex odd = Complex{a.re - b.re, a.im + b.im} * Complex{turn.re, -turn.im};
        store(numbers, k, scale * Complex{a.re + b.re - odd.im, a.im - b.im + odd.re});
    }
}

// Decimate `size` samples with silence around them; returns how many there are then.
int64_t decimate(const Step& step, int64_t size, Room& room) {
    const LongPlan &plan = *step.plan, &short_plan = *step.short_plan;
    const int64_t count = (size + step.octave.factor - 1) / step.octave.factor;
    const float* sound = room.sound + room.margin;
    float* slower = room.slower + room.margin;
    int64_t i = 0;
    for (; 2 * i < size; i += LANES) {
        const Vec first = load(sound + 2 * i), second = load(sound + 2 * i + LANES);
        store(room.numbers, i, {every_second<0>(first, second, IN_ORDER), every_second<1>(first, second, IN_ORDER)});
    }
    for (; i < plan.size; i += LANES) store(room.numbers, i, Complex{});
    long_forward(plan, room.numbers, room.middle, room.numbers, room.data);
    keep(plan, step.response, short_plan.size, room.numbers, room.kept);
    spread(short_plan, 0.25f / float(plan.size), room.kept, room.numbers);
    const Apart exchanged{room.numbers.im, room.numbers.re}, middle = room.middle;
    long_forward(short_plan, exchanged, middle, exchanged, room.data);
    for (i = 0; 2 * i < count; i += LANES) {
        const Complex pair = load(room.numbers, i);
        store(slower + 2 * i, zip(pair.re, pair.im, 0, IN_ORDER));
        store(slower + 2 * i + LANES, zip(pair.re, pair.im, 1, IN_ORDER));
    }
    std::fill(room.slower, slower, 0.0f);
    std::fill(slower + count, slower + count + room.margin, 0.0f);
    std::swap(room.sound, room.slower);
    return count;
}

// The sums and the differences of the pairs [first, first + count) of frames.
void pair_up(const float* const* frames, int64_t half, int64_t first, int64_t count, Vec* data,
             Vec* sums, Vec* differences) {
    Vec *after = data, *before = data + CHUNK;
    const float *right[LANES], *left[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        right[lane] = frames[lane] + half + 1 + first;
        left[lane] = frames[lane] + half + 1 - first - count;
    }
    load_frames(right, nullptr, count, after);
    load_frames(left, nullptr, count, before);
    if (first + count == half)  // the first sample takes the place behind the last
        for (int lane = 0; lane < LANES; lane++) after[count - 1][lane] = frames[lane][0];
    for (int64_t d = 0; d < count; d++) {
        const Vec other = before[count - 1 - d];
        sums[d * GROUPS] = after[d] + other;
        differences[d * GROUPS] = after[d] - other;
    }
}

// Add the products of `count` pairs and a tile of filters.
void multiply(const Vec* values, const float* weights, int64_t count, Vec* parts) {
    Vec sums[TILE][GROUPS] = {};  // added at the end: rounding grows with the numbers of a sum
    for (int64_t d = 0; d < count; d++, values += GROUPS, weights += TILE)
        for (int64_t t = 0; t < TILE; t++)
            for (int64_t g = 0; g < GROUPS; g++) sums[t][g] += values[g] * weights[t];
    for (int64_t t = 0; t < TILE; t++)
        for (int64_t g = 0; g < GROUPS; g++) parts[t * GROUPS + g] += sums[t][g];
}

Vec raise(Vec squared, float power) {
    float* values = reinterpret_cast<float*>(&squared);
    if (power == 1.0f) {
        for (int lane = 0; lane < LANES; lane++) values[lane] = std::sqrt(values[lane]);
    } else if (power != 2.0f) {
        for (int lane = 0; lane < LANES; lane++) values[lane] = std::pow(values[lane], 0.5f * power);
    }
    return squared;
}

// Filter frames [0, count) of an octave into `out`, (bin, frame).
void filter(const Layout& how, const Step& step, int64_t count, Room& room, float* out) {
    const int64_t half = step.octave.half(), tiles = step.octave.tiles();
    const float* sound = room.sound + room.margin - half;
    Vec *real = room.parts, *imaginary = real + tiles * TILE * GROUPS;
    for (int64_t from = 0; from < count; from += GROUPS * LANES) {
        std::fill_n(room.parts, 2 * tiles * TILE * GROUPS, Vec{});
        for (int64_t first = 0; first < half; first += CHUNK) {
            const int64_t pairs = std::min(CHUNK, half - first);
            for (int64_t g = 0; g < GROUPS; g++) {
                const float* frames[LANES];
                for (int64_t lane = 0; lane < LANES; lane++)
                    frames[lane] = sound + std::min(from + g * LANES + lane, count - 1) * step.hop_length;
                pair_up(frames, half, first, pairs, room.data, room.sums + g, room.differences + g);
            }
            for (int64_t product = 0; product < how.products; product++) {
                const bool is_of_sums = product == 0 || product == 3;
                const Vec* values = is_of_sums ? room.sums : room.differences;
                Vec* parts = product % 2 ? imaginary : real;
                for (int64_t tile = 0; tile < tiles; tile++)
                    multiply(values, step.weights + ((product * tiles + tile) * half + first) * TILE, pairs,
                             parts + tile * TILE * GROUPS);
            }
        }
        for (int64_t bin = 0; bin < step.octave.bins; bin++)
            for (int64_t g = 0; g < GROUPS && from + g * LANES < count; g++) {
                const int64_t f = from + g * LANES;
                const Vec re = real[bin * GROUPS + g], im = imaginary[bin * GROUPS + g];
                store_some(out + bin * how.frames + f, raise(re * re + im * im, how.power), count - f);
            }
    }
}

// About how long a row takes, in copies of a number.
int64_t cells_of(const Layout& how) {
    int64_t products = 0;
    for (const Step& step : how.steps)
        products += how.products * step.octave.tiles() * TILE * step.octave.half();
    return 4 * how.time + how.frames * products / 32;
}

// Transform a row of which `size` samples are heard; frames from `count` on are silent.
void transform(const Layout& how, const float* waveform, int64_t size, int64_t count, float* out) {
    Arena needed(nullptr);
    Room counted(needed, how);
    Arena arena(scratch(needed.used()));
    Room room(arena, how);
    float* sound = room.sound + room.margin;
    std::fill(room.sound, sound, 0.0f);
    std::copy_n(waveform, size, sound);
    std::fill(sound + size, sound + size + room.margin, 0.0f);

    for (const Step& step : how.steps) {
        if (step.plan) size = decimate(step, size, room);
        filter(how, step, count, room, out + step.first * how.frames);
    }
    for (int64_t bin = 0; bin < how.bins; bin++)
        std::fill(out + bin * how.frames + count, out + (bin + 1) * how.frames, 0.0f);
}

}  // namespace

// Transform rows of audio, (row, time), into `out`, (row, bin, frame).
//
// lengths: samples of each example that are heard, of which `channels` rows share one; null is all.
// octaves: (octave, 4), see `Octave`, the highest first.
// responses: of the octaves that are decimated, (octave: (bin)).
AUGSPEC_EXPORT void augspec_constant_q(const float* waveform, int64_t rows, int64_t time,
                                       const int64_t* lengths, int64_t channels,
                                       const int64_t* octaves, int64_t count, const float* responses,
                                       const float* weights, int64_t products, int64_t hop_length,
                                       int64_t bins, int64_t frames, float power, int64_t threads,
                                       float* out) {
    Layout how{{}, time, frames, bins, products, power};
    int64_t hop = hop_length, last = bins;
    for (int64_t o = 0; o < count; o++) {
        const Octave& octave = reinterpret_cast<const Octave*>(octaves)[o];
        const bool divides = octave.factor > 1;
        const int64_t half = octave.period / 2, made = half / octave.factor;
        hop /= octave.factor;
        last -= octave.bins;
        how.steps.push_back({octave, divides ? long_plan_of(half) : nullptr,
                             divides ? long_plan_of(made) : nullptr, responses, weights, hop, last});
        if (divides) responses += made;
        weights += products * octave.tiles() * octave.half() * TILE;
    }
    for_rows(rows, cells_of(how), threads, [&](int64_t row) {
        const int64_t heard = lengths ? std::min(lengths[row / channels], time) : time;
        const int64_t valid = std::min(heard / hop_length + 1, frames);
        transform(how, waveform + row * time, heard, valid, out + row * bins * frames);
    });
}
