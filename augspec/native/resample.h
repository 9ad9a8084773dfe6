// Resampling of one row by its own ratio: the two filters of augspec/functional/resample.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "simd.h"

namespace augspec {

constexpr int BLOCK = 32;  // output samples that one matrix makes
constexpr int TOGETHER = 4;  // blocks for which a matrix is read once
constexpr int64_t ONE = int64_t(1) << 32;

struct Sinc {
    const float* table;  // of the delay filter, (fraction, tap): 2 ** bits + 1 rows
    int64_t delay_taps, bits;
    int64_t taps, orders;
    float beta;
};

// sin(pi x) / (pi x).
inline float sinc(float x) {
    float whole = std::floor(x + 0.5f), r = x - whole, s = r * r;
    float sine = 3.14159265358979f + s * (-5.16771278004997f + s * (2.55016403987735f +
                 s * (-0.599264529320792f + s * (0.0821458866111282f + s * (-0.00737043094571435f +
                 s * 0.000466302805767612f)))));
    sine *= r;
    float odd = whole - 2.0f * std::floor(0.5f * whole);
    sine = odd == 0.0f ? sine : -sine;
    float scaled = 3.14159265358979f * x;
    return x == 0.0f ? 1.0f : sine / scaled;
}

// The first `count` products of TOGETHER frames, each `stride` after the one before, with a matrix
// (width, BLOCK). All the frames are read.
inline void multiply(const float* frames, int64_t stride, const float* matrix, int64_t width,
                     int count, float* out) {
    for (int n = 0; n < BLOCK; n += 2 * LANES) {
        constexpr int wide = 2 * LANES <= BLOCK ? 2 : 1;
        Vec sum[TOGETHER][wide] = {};
        for (int64_t w = 0; w < width; w++) {
            const float* row = matrix + w * BLOCK + n;
            for (int v = 0; v < wide; v++) {
                const Vec factor = load(row + v * LANES);
                for (int i = 0; i < TOGETHER; i++) sum[i][v] += frames[i * stride + w] * factor;
            }
        }
        for (int i = 0; i < count; i++)
            for (int v = 0; v < wide; v++) store(out + i * BLOCK + n + v * LANES, sum[i][v]);
    }
}

// One row and its ratio. `matrix` interpolates: sample w of the delayed input, output n.
struct Resampler {
    const Sinc& sinc_of;
    int64_t step;
    float ratio;
    int64_t reach, width;    // delayed samples before the block, and all
    std::vector<float> matrix;  // (width, BLOCK)

    Resampler(const Sinc& sinc_of, int64_t step) : sinc_of(sinc_of), step(step) {
        ratio = float(step) / float(ONE);
        const float stretch = std::max(1.0f, ratio);
        const float half = 0.5f * float(sinc_of.taps) * stretch;
        reach = int64_t(std::ceil(half)) - 1;
        width = reach + int64_t(std::ceil(double(BLOCK - 1) * ratio + half)) + 1;
        width += (LANES - width % LANES) % LANES;
        matrix.resize(size_t(width) * BLOCK);
        float whole[BLOCK], fraction[BLOCK];
        for (int n = 0; n < BLOCK; n++) {
            const int64_t offset = n * step;
            whole[n] = float(offset >> 32);
            fraction[n] = float(offset & (ONE - 1)) / float(ONE);
        }
        const float quarter = sinc_of.beta * sinc_of.beta / 4;
        double peak = 1.0;
        for (int64_t order = sinc_of.orders; order > 0; order--)
            peak = peak * quarter / double(order * order) + 1;
        for (int64_t w = 0; w < width; w++) {
            float* row = &matrix[size_t(w) * BLOCK];
            float distance[BLOCK], inside[BLOCK], series[BLOCK];
            for (int n = 0; n < BLOCK; n++) {
                distance[n] = (float(w - reach) - whole[n] - fraction[n]) / stretch;
                const float part = distance[n] * (2.0f / float(sinc_of.taps));
                inside[n] = std::max(0.0f, 1 - part * part) * quarter;
                series[n] = 1.0f;
            }
            for (int64_t order = sinc_of.orders; order > 0; order--) {
                const float factor = 1.0f / float(order * order);
                for (int n = 0; n < BLOCK; n++) series[n] = series[n] * inside[n] * factor + 1.0f;
            }
            for (int n = 0; n < BLOCK; n++) {
                const float value = sinc(distance[n]) * series[n] / (float(peak) * stretch);
                row[n] = inside[n] > 0 ? value : 0.0f;
            }
        }
    }

    // Floats of scratch memory that `run` needs.
    size_t room() const { return size_t((TOGETHER + 1) * width + 2 * sinc_of.delay_taps + 4 * LANES); }

    // Write the blocks [first, last) to out[first * BLOCK ...]; the input is zero outside of
    // [0, end).
    void run(const float* input, int64_t end, int64_t first, int64_t last, float* out,
             float* memory) const {
        float* padded = memory + TOGETHER * width;
        for (int64_t block = first; block < last; block += TOGETHER) {
            const int count = int(std::min<int64_t>(TOGETHER, last - block));
            for (int i = 0; i < TOGETHER; i++)
                delay(input, end, block + std::min(i, count - 1), memory + i * width, padded);
            multiply(memory, width, matrix.data(), width, count, out + block * BLOCK);
        }
    }

  private:
    // The input around the block's first position, advanced by the fraction of a sample.
    void delay(const float* input, int64_t end, int64_t block, float* out, float* padded) const {
        const int64_t taps = sinc_of.delay_taps, outer = width + taps - 1;
        const int64_t position = block * BLOCK * step;
        const int64_t from = (position >> 32) - reach - (taps / 2 - 1);
        const float* source = input + from;
        if (from < 0 || from + outer > end) {
            for (int64_t i = 0; i < outer; i++) {
                const int64_t place = from + i;
                padded[i] = place >= 0 && place < end ? input[place] : 0.0f;
            }
            source = padded;
        }
        const int64_t bits = 32 - sinc_of.bits, mask = (int64_t(1) << bits) - 1;
        const int64_t phase = (position >> bits) & ((int64_t(1) << sinc_of.bits) - 1);
        const float rest = float(position & mask) / float(mask + 1);
        const float* low = sinc_of.table + phase * taps;
        float weights[64];
        for (int64_t tap = 0; tap < taps; tap++)
            weights[tap] = low[tap] + rest * (low[taps + tap] - low[tap]);
        int64_t w = 0;
        for (; w + 4 * LANES <= width; w += 4 * LANES) {
            Vec a{}, b{}, c{}, d{};
            for (int64_t tap = 0; tap < taps; tap++) {
                const float* from_here = source + w + tap;
                a += weights[tap] * load(from_here);
                b += weights[tap] * load(from_here + LANES);
                c += weights[tap] * load(from_here + 2 * LANES);
                d += weights[tap] * load(from_here + 3 * LANES);
            }
            store(out + w, a);
            store(out + w + LANES, b);
            store(out + w + 2 * LANES, c);
            store(out + w + 3 * LANES, d);
        }
        for (; w < width; w += LANES) {
            Vec a{}, b{};
            for (int64_t tap = 0; tap + 1 < taps; tap += 2) {
                a += weights[tap] * load(source + w + tap);
                b += weights[tap + 1] * load(source + w + tap + 1);
            }
            store(out + w, a + b);
        }
    }
};

// Whether a ratio is one that the filters are made for; another gives NaN.
inline bool is_known(int64_t step, float max_ratio) {
    const float ratio = float(step) / float(ONE);
    return ratio > 0 && ratio <= max_ratio * (1 + 1e-6f);
}

// Samples that hold sound after resampling: ceil(end / ratio), at most `size`.
inline int64_t resampled_end(int64_t end, int64_t step, int64_t size) {
    // end < 2^31, as any audio has: the product fits.
    return std::min(size, (end * ONE + step - 1) / step);
}

// Resample samples [from, to) of a row; `out` has the whole row's places, up to a whole block.
inline void resample_row(const Sinc& sinc_of, const float* input, int64_t time, int64_t end,
                         int64_t step, float max_ratio, int64_t from, int64_t to, float* out) {
    from = from / BLOCK * BLOCK;
    to = std::max(from, to);
    if (!is_known(step, max_ratio)) {
        std::fill(out + from, out + to, NAN);
        return;
    }
    if (step == ONE) {  // bit for bit
        const int64_t sounding = std::min(std::max(from, std::min(end, time)), to);
        std::copy(input + std::min(from, sounding), input + sounding, out + std::min(from, sounding));
        std::fill(out + sounding, out + to, 0.0f);
        return;
    }
    const int64_t valid = resampled_end(end, step, to);
    Resampler resampler(sinc_of, step);
    std::vector<float> memory(resampler.room());
    const int64_t last = (valid + BLOCK - 1) / BLOCK;
    if (last > from / BLOCK)
        resampler.run(input, end, from / BLOCK, last, out, memory.data());
    if (valid < to) std::fill(out + std::max(valid, from), out + to, 0.0f);
}

}  // namespace augspec
