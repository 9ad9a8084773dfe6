// The magnitude of the constant-Q transform: each row of audio on one thread, from its decimation to
// its magnitudes. augspec/features/constant_q.py is the reference.
//
// Decimation: overlap-save, LANES blocks of the row side by side. Bins of a block's spectrum that the
// slower rate cannot tell apart are summed, each times the low-pass filter's response, and the inverse
// transform is as much shorter.
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
#include "rows.h"

using namespace augspec;

namespace {

constexpr int64_t REACH = 160;  // samples at the new rate on each side that the low-pass filter hears
constexpr int64_t TILE = 6;     // filters whose sums are in registers
constexpr int64_t GROUPS = 2;   // vectors of frames that share what is read of a filter
constexpr int64_t CHUNK = 64;   // pairs of samples that are in the first cache

// A row of the table that Python passes.
struct Octave {
    int64_t bins;
    int64_t factor;  // by which the rate is divided first; 1 is not at all
    int64_t block;   // samples of a transform for it; 0 if there is none
    int64_t n_fft;   // samples of a filter

    int64_t tiles() const { return (bins + TILE - 1) / TILE; }
    int64_t half() const { return n_fft / 2; }
};

// What an octave needs that is the same for all rows.
struct Step {
    Octave octave;
    const Plan *plan, *short_plan;  // of a block before and after its decimation
    const float* response;          // over the factor
    const float* weights;           // (product, tile, pair, filter)
    int64_t hop_length;
    int64_t first;  // of the bins of the output
};

struct Layout {
    std::vector<Step> steps;
    int64_t time, frames, bins;
    int64_t products;  // 2: real of sums, imaginary of differences; 4: then the other two
    float power;
};

// Around the audio: what blocks and frames read beyond its ends.
int64_t margin_of(const Layout& how) {
    int64_t margin = 0;
    for (const Step& step : how.steps)
        margin = std::max({margin, step.octave.block, step.octave.half() + 1});
    return whole_vectors(margin);
}

struct Room {
    int64_t margin;
    float *sound, *slower;
    Vec *data, *spectrum, *folded, *sums, *differences, *parts;

    Room(Arena& arena, const Layout& how) : margin(margin_of(how)) {
        int64_t block = 0, tiles = 0, time = how.time;
        for (const Step& step : how.steps) {
            tiles = std::max(tiles, step.octave.tiles());
            block = std::max(block, step.octave.block);
        }
        sound = arena.take<float>(size_t(time + 2 * margin));
        slower = arena.take<float>(size_t((block ? time / 2 + 1 : 0) + 2 * margin));
        data = arena.take<Vec>(size_t(std::max(block, 2 * CHUNK)));
        spectrum = arena.take<Vec>(size_t(block + 2));
        folded = arena.take<Vec>(size_t(block / 2 + 2));
        sums = arena.take<Vec>(CHUNK * GROUPS);
        differences = arena.take<Vec>(CHUNK * GROUPS);
        parts = arena.take<Vec>(size_t(2 * tiles * TILE * GROUPS));
    }
};

// Bins [0, M / 2] of a signal at 1 / factor of the rate, M = n / factor: the sum of the bins of which
// they are the aliases, each times its response.
void fold(const Complex* bins, const float* response, int64_t n, int64_t factor, Complex* folded) {
    const int64_t whole = n / factor;
    for (int64_t k = 0; 2 * k <= whole; k++) {
        Complex sum{Vec{}, Vec{}};
        for (int64_t j = 0; j < factor / 2; j++) {
            const Complex above = bins[j * whole + k], below = bins[(j + 1) * whole - k];
            const float one = response[j * whole + k], other = response[(j + 1) * whole - k];
            sum.re += one * above.re + other * below.re;
            sum.im += one * above.im - other * below.im;
        }
        folded[k] = sum;
    }
}

// Decimate `size` samples with silence around them; returns how many there are then.
int64_t decimate(const Step& step, int64_t size, Room& room) {
    const int64_t factor = step.octave.factor, n = step.octave.block;
    const int64_t made = n / factor - 2 * REACH;  // of a block
    const int64_t count = (size + factor - 1) / factor, blocks = (count + made - 1) / made;
    const float* sound = room.sound + room.margin;
    float* slower = room.slower + room.margin;
    for (int64_t first = 0; first < blocks; first += LANES) {
        const float* windows[LANES];
        for (int64_t lane = 0; lane < LANES; lane++)
            windows[lane] = sound + (std::min(first + lane, blocks - 1) * made - REACH) * factor;
        load_frames(windows, nullptr, n, room.data);
        real_forward(*step.plan, room.data, room.spectrum);
        fold(reinterpret_cast<Complex*>(room.spectrum), step.response, n, factor,
             reinterpret_cast<Complex*>(room.folded));
        real_inverse(*step.short_plan, room.folded, room.data);
        for (int64_t i = 0; i < made; i += LANES) {
            Vec square[LANES];
            for (int64_t k = 0; k < LANES; k++) square[k] = room.data[REACH + i + k];
            transpose(square);
            for (int64_t lane = 0; lane < std::min<int64_t>(LANES, blocks - first); lane++)
                store(slower + (first + lane) * made + i, square[lane]);
        }
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
// responses: of the octaves that are decimated, (octave: (bin)), over their factors.
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
        hop /= octave.factor;
        last -= octave.bins;
        how.steps.push_back({octave, divides ? plan_of(int(octave.block)) : nullptr,
                             divides ? plan_of(int(octave.block / octave.factor)) : nullptr, responses,
                             weights, hop, last});
        if (divides) responses += octave.block / 2 + 1;
        weights += products * octave.tiles() * octave.half() * TILE;
    }
    for_rows(rows, cells_of(how), threads, [&](int64_t row) {
        const int64_t heard = lengths ? std::min(lengths[row / channels], time) : time;
        const int64_t valid = std::min(heard / hop_length + 1, frames);
        transform(how, waveform + row * time, heard, valid, out + row * bins * frames);
    });
}
