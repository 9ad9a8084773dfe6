// Plain work on the samples of rows of audio: mapped, measured, mixed, turned round.
//
// Each is one pass over memory, in pieces that are small, so that a thread which other processes
// hold up holds up little. Audio that fits into one piece stays on the calling thread.

#include <cmath>
#include <vector>

#include "export.h"
#include "lanes.h"
#include "pool.h"
#include "powers.h"

using namespace augspec;

namespace {

constexpr int64_t PIECE = 1 << 15;  // samples
constexpr int64_t BLOCK = 1 << 12;  // samples that stay in the nearest cache

int64_t pieces_of(int64_t time) { return (time + PIECE - 1) / PIECE; }

// Call work(row, first, last) for pieces of all rows; short rows share one item.
template <class Work>
void for_pieces(int64_t rows, int64_t time, int64_t threads, Balance& balance, Work&& work) {
    const int64_t pieces = pieces_of(time);
    const int64_t together = std::max<int64_t>(1, PIECE / std::max<int64_t>(time, 1));
    const int64_t items = pieces > 1 ? rows * pieces : (rows + together - 1) / together;
    parallel_for(items, int(threads), balance, [&](int64_t item) {
        if (pieces > 1) {
            const int64_t first = item % pieces * PIECE;
            work(item / pieces, first, std::min(first + PIECE, time));
            return;
        }
        const int64_t end = std::min(rows, (item + 1) * together);
        for (int64_t row = item * together; row < end; row++) work(row, int64_t(0), time);
    });
}

template <class Work>
void for_pieces(int64_t rows, int64_t time, int64_t threads, Work&& work) {
    static Balance balance;
    for_pieces(rows, time, threads, balance, work);
}

template <class Map>
void map_lanes(const float* from, int64_t count, float* to, Map&& map) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, map(load(from + i)));
    if (i < count) {
        float rest[LANES] = {};
        std::copy(from + i, from + count, rest);
        store(rest, map(load(rest)));
        std::copy(rest, rest + count - i, to + i);
    }
}

// A part of a mixture: its samples, counted from the first of the output, and where it is heard.
struct Span {
    const float* from;
    float weight;
    int64_t begin, end;
};

// The output may be the first part.
template <int PARTS>
void add_up(const Span* parts, int64_t first, int64_t last, float* to) {
    int64_t t = first;
    for (; t + LANES <= last; t += LANES) {
        Vec sum = load(parts[0].from + t) * parts[0].weight;
        for (int k = 1; k < PARTS; k++) sum += load(parts[k].from + t) * parts[k].weight;
        store(to + t, sum);
    }
    for (; t < last; t++) {
        float sum = parts[0].from[t] * parts[0].weight;
        for (int k = 1; k < PARTS; k++) sum += parts[k].from[t] * parts[k].weight;
        to[t] = sum;
    }
}

// The larger and the smaller of two; NaN if one is NaN, as in torch.
Vec larger(Vec x, Vec y) { return x >= y ? x : (x == x ? y : x); }
Vec smaller(Vec x, Vec y) { return x <= y ? x : (x == x ? y : x); }

Vec with_sign_of(Vec magnitudes, Vec signs) {
    return from_bits(bits(magnitudes) | (bits(signs) & int32_t(0x80000000)));
}

// To the nearest whole number, of two the even one, for any magnitude.
Vec whole(Vec x) {
    const Vec size = magnitude(x);
    const Vec rounded = (size + 8388608.0f) - 8388608.0f;
    return size < 8388608.0f ? with_sign_of(rounded, x) : x;
}

// tanh(x), within 2e-7 of it (Cephes); NaN stays.
Vec tanh_of(Vec x) {
    const Vec size = magnitude(x), square = x * x;
    Vec y = square * -5.70498872745e-3f + 2.06390887954e-2f;
    y = y * square - 5.37397155531e-2f;
    y = y * square + 1.33314422036e-1f;
    y = y * square - 3.33332819422e-1f;
    const Vec near = y * square * x + x;
    const Vec e = exponential(size < 20.0f ? size * -2.0f : fill(-40.0f), false);
    const Vec far = with_sign_of((1.0f - e) / (1.0f + e), x);
    return x == x ? (size < 0.625f ? near : far) : x;
}

// The A-law codec of augspec/functional/distortion.py: steps double with each octave.
Vec a_law(Vec x) {
    const Vec size = smaller(magnitude(x), fill(1.0f - 0x1p-15f));
    const Vec octave = from_bits(bits(size) & 0x7f800000);
    const Vec step = larger(octave * 0x1p-4f, fill(0x1p-11f));
    const Vec code = __builtin_convertvector(__builtin_convertvector(size / step, IntVec), Vec);
    return size > 0.0f ? with_sign_of((code + 0.5f) * step, x) : x;
}

// The mu-law codec there, of mu + 1 values: `steps` of the code for a unit of the logarithm.
//
// Codes are made and read in two loops over a block: one loop would wait for each result of a chain of
// operations that is twice as long. The output may be the input.
void mu_law(const float* from, int64_t count, Vec mu, Vec steps, float* to) {
    const Vec half = 0.5f * mu, step = 1.0f / steps, share = 1.0f / mu;
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t size = std::min(BLOCK, count - first);
        map_lanes(from + first, size, to + first, [=](Vec x) {
            const Vec loud = smaller(magnitude(x), fill(1.0f)) * mu;
            const Vec code = with_sign_of(log_of_one_plus(loud) * steps, x) + (half + 0.5f);
            const Vec down = __builtin_convertvector(__builtin_convertvector(code, IntVec), Vec) - half;
            return x == x && x != 0.0f ? down : x;
        });
        map_lanes(to + first, size, to + first, [=](Vec down) {
            return with_sign_of(exponential(magnitude(down) * step, true) * share, down);
        });
    }
}

double sum(Vec values) {
    double total = 0.0;
    for (int lane = 0; lane < LANES; lane++) total += double(values[lane]);
    return total;
}

// Sums of squares: lanes of float32 within a block, float64 beyond.
double energy(const float* from, int64_t count) {
    double total = 0.0;
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t last = std::min(first + BLOCK, count);
        Vec sums[4] = {};
        int64_t i = first;
        for (; i + 4 * LANES <= last; i += 4 * LANES)
            for (int k = 0; k < 4; k++) {
                const Vec value = load(from + i + k * LANES);
                sums[k] += value * value;
            }
        for (; i < last; i++) total += double(from[i] * from[i]);
        total += sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    return total;
}

// The largest magnitude, compared by its bits: NaN is above infinity.
double peak(const float* from, int64_t count) {
    IntVec most[2] = {};
    int64_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES)
        for (int k = 0; k < 2; k++) {
            const IntVec size = bits(magnitude(load(from + i + k * LANES)));
            most[k] = size > most[k] ? size : most[k];
        }
    int32_t found = 0;
    for (int lane = 0; lane < LANES; lane++) found = std::max({found, most[0][lane], most[1][lane]});
    for (; i < count; i++) {
        int32_t size;
        std::memcpy(&size, from + i, sizeof size);
        found = std::max(found, size & 0x7fffffff);
    }
    float value;
    std::memcpy(&value, &found, sizeof value);
    return value;
}

}  // namespace

// Map each sample of rows, (row, time), by one of the functions below.
//
// firsts, seconds: numbers of each of `groups`; `rows / groups` rows that follow one another share
// them. The output may be the input.
AUGSPEC_EXPORT void augspec_map(int64_t kind, const float* waveform, int64_t rows, int64_t time,
                                int64_t groups, const float* firsts, const float* seconds,
                                int64_t threads, float* out) {
    static Balance balances[8];  // some take as long as a copy, others ten times as long
    for_pieces(rows, time, threads, balances[kind], [&](int64_t row, int64_t first, int64_t last) {
        const int64_t group = row / (rows / groups), count = last - first;
        const float* from = waveform + row * time + first;
        float* to = out + row * time + first;
        const Vec a = fill(firsts[group]), b = fill(seconds ? seconds[group] : 1.0f);
        switch (kind) {
            case 0:  // scaled by a
                return map_lanes(from, count, to, [=](Vec x) { return x * a; });
            case 1:  // from the level a to the level b
                return map_lanes(from, count, to, [=](Vec x) { return x / a * b; });
            case 2:  // clipped at -a and a
                return map_lanes(from, count, to, [=](Vec x) { return smaller(larger(x, -a), a); });
            case 3:  // rounded to a steps, a power of two, on each side of zero
                return map_lanes(from, count, to, [=](Vec x) {
                    return smaller(larger(whole(x * a), -a), a - 1.0f) / a;
                });
            case 4:
                return map_lanes(from, count, to, [=](Vec x) { return tanh_of(x * a); });
            case 5:
                return map_lanes(from, count, to, [=](Vec x) { return a_law(x); });
            case 6:
                return mu_law(from, count, a, b, to);
            case 7:  // the law of a telephone line
                if (firsts[group] == 0.0f)
                    mu_law(from, count, fill(255.0f), b, to);
                else if (firsts[group] == 1.0f)
                    map_lanes(from, count, to, [=](Vec x) { return a_law(x); });
                else
                    std::copy(from, from + count, to);
                return;
        }
    });
}

// Measure rows up to the end of their example: 0 the largest magnitude, 1 the sum of squares.
//
// table: address of the first row, and distances between examples and between channels in samples.
// indices, ends: (batch), or null: which example is measured, and how much of it. Levels: (batch,
// channel), or (batch) if `together`.
AUGSPEC_EXPORT void augspec_measure(int64_t kind, const int64_t* table, int64_t batch,
                                    int64_t channels, int64_t time, int64_t together,
                                    const int64_t* indices, const int64_t* ends, int64_t threads,
                                    float* levels) {
    const int64_t rows = batch * channels, pieces = std::max<int64_t>(1, pieces_of(time));
    std::vector<double> parts(size_t(rows * pieces));
    for_pieces(rows, time, threads, [&](int64_t row, int64_t first, int64_t last) {
        const int64_t example = row / channels;
        const float* from = reinterpret_cast<const float*>(table[0]) +
                            (indices ? indices[example] : example) * table[1] +
                            row % channels * table[2] + first;
        const int64_t end = ends ? std::min(ends[example], last) : last;
        const int64_t count = std::max<int64_t>(0, end - first);
        parts[size_t(row * pieces + first / PIECE)] =
            kind == 0 ? peak(from, count) : energy(from, count);
    });
    const int64_t of_one = together ? channels * pieces : pieces;
    for (int64_t i = 0; i < rows * pieces / of_one; i++) {
        double level = 0.0;
        for (int64_t k = i * of_one; k < (i + 1) * of_one; k++) {
            const double part = parts[size_t(k)];
            if (kind == 1) level += part;
            else if (!(part <= level)) level = level == level ? part : level;
        }
        levels[i] = float(level);
    }
}

// Add up parts, each from `begin` to `end` at its own weight; elsewhere there is silence.
//
// table: (part, 3), where the sound of a part begins, and distances between its examples and
// channels in samples. indices: (part, example), which example of the sound is taken. begins, ends:
// (part, example), in samples of the output. places: (part, example), where the sound's first sample
// lies in the output. weights: (part, example, channel). All may be null but the table: each
// example's own, the whole time, 0, and 1. A part of weight 0 is left out, whatever its samples are.
AUGSPEC_EXPORT void augspec_mix(const int64_t* table, int64_t parts, int64_t batch,
                                int64_t channels, int64_t time, const int64_t* indices,
                                const int64_t* begins, const int64_t* ends, const int64_t* places,
                                const float* weights, int64_t threads, float* out) {
    constexpr int AT_ONCE = 4;
    for_pieces(batch * channels, time, threads, [&](int64_t row, int64_t first, int64_t last) {
        const int64_t example = row / channels, channel = row % channels;
        float* to = out + row * time;
        const auto find = [&](int64_t part, int64_t low, int64_t high) {
            const int64_t place = part * batch + example;
            const float* from = reinterpret_cast<const float*>(table[3 * part]) +
                                (indices ? indices[place] : example) * table[3 * part + 1] +
                                channel * table[3 * part + 2] - (places ? places[place] : 0);
            return Span{from, weights ? weights[place * channels + channel] : 1.0f,
                        std::max(low, begins ? begins[place] : 0),
                        std::min(high, ends ? ends[place] : time)};
        };
        if (parts == 1 && !weights && !begins && !ends && !places) {
            const float* from = find(0, first, last).from;
            std::copy(from + first, from + last, to + first);
            return;
        }
        for (int64_t low = first; low < last; low += BLOCK) {
            const int64_t high = std::min(low + BLOCK, last);
            Span heard[AT_ONCE];
            int64_t count = 0;
            bool are_whole = true;
            for (int64_t k = 0; k < parts && count <= AT_ONCE; k++) {
                const Span span = find(k, low, high);
                if (span.begin >= span.end || span.weight == 0.0f) continue;
                are_whole = are_whole && span.begin == low && span.end == high;
                if (count < AT_ONCE) heard[count] = span;
                count++;
            }
            if (are_whole && count > 0 && count <= AT_ONCE) {  // in one pass
                switch (count) {
                    case 1: add_up<1>(heard, low, high, to); break;
                    case 2: add_up<2>(heard, low, high, to); break;
                    case 3: add_up<3>(heard, low, high, to); break;
                    case 4: add_up<4>(heard, low, high, to); break;
                }
                continue;
            }
            int64_t done = low;  // the samples of the block before it are written
            for (int64_t k = 0; k < parts; k++) {
                const Span span = find(k, low, high);
                if (span.begin >= span.end || span.weight == 0.0f) continue;
                if (span.begin > done) std::fill(to + done, to + span.begin, 0.0f);
                const int64_t both = std::min(span.end, std::max(span.begin, done));
                const Span added[2] = {{to, 1.0f, 0, 0}, span};
                add_up<2>(added, span.begin, both, to);
                add_up<1>(added + 1, both, span.end, to);
                done = std::max(done, span.end);
            }
            std::fill(to + done, to + high, 0.0f);
        }
    });
}

// Turn each row round within its example, (batch * channel, time); silence follows.
AUGSPEC_EXPORT void augspec_reverse(const float* waveform, int64_t batch, int64_t channels,
                                    int64_t time, const int64_t* ends, int64_t threads,
                                    float* out) {
    for_pieces(batch * channels, time, threads, [&](int64_t row, int64_t first, int64_t last) {
        const int64_t end = std::clamp<int64_t>(ends[row / channels], 0, time);
        const float* from = waveform + row * time;
        float* to = out + row * time;
        for (int64_t t = first; t < std::min(last, end); t++) to[t] = from[end - 1 - t];
        if (last > end) std::fill(to + std::max(first, end), to + last, 0.0f);
    });
}
