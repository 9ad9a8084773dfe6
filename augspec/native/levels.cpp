// Levels of spectrograms: decibel, cosine transforms of it, and energies normalised by their past.

#include <cmath>

#include "export.h"
#include "powers.h"
#include "rows.h"

using namespace augspec;

namespace {

constexpr float kPerLog10 = 0.4342944819032518f;

// Rows of vectors times a matrix: sums over rows i of matrix[k][i] * rows[i], for frames of one vector
// or two.
template <int VECTORS>
void multiply(const float* matrix, int64_t outs, int64_t ins, const float* rows, int64_t pitch,
              int64_t frames, int64_t left, float* out) {
    constexpr int64_t kAtOnce = 4;
    for (int64_t k = 0; k < outs; k += kAtOnce) {
        const float* weights[kAtOnce];
        for (int64_t j = 0; j < kAtOnce; j++) weights[j] = matrix + std::min(k + j, outs - 1) * ins;
        Vec sums[kAtOnce][VECTORS] = {};
        for (int64_t i = 0; i < ins; i++)
            for (int64_t v = 0; v < VECTORS; v++) {
                const Vec x = load(rows + i * pitch + v * LANES);
                for (int64_t j = 0; j < kAtOnce; j++) sums[j][v] += weights[j][i] * x;
            }
        for (int64_t j = 0; j < std::min(kAtOnce, outs - k); j++)
            for (int64_t v = 0; v < VECTORS; v++)
                store_some(out + (k + j) * frames + v * LANES, sums[j][v], left - v * LANES);
    }
}

}  // namespace

// Levels of examples, (example, channel, bin, frame): multiplier * log10(max(cell + bias, amin)) +
// offset.
//
// Those more than `top_db` below the peak of the example are clipped, if it is above 0. With
// `to_peak` the peak becomes 0. From `ends` on, (example) or null, cells count as 0. With a matrix,
// (coefficient, bin), `out` are the products with it, (example, channel, coefficient, frame).
AUGSPEC_EXPORT void augspec_level(const float* cells, int64_t batch, int64_t channels, int64_t freq,
                                  int64_t frames, const int64_t* ends, float multiplier, float bias,
                                  float amin, float offset, float top_db, int64_t to_peak,
                                  int64_t coefficients, const float* matrix, int64_t threads,
                                  float* out) {
    const float scale = multiplier * kPerLog10;
    const auto level_row = [&](const float* from, int64_t end, float* to) {
        Vec peak = fill(-INFINITY);
        for (int64_t f = 0; f < frames; f += LANES) {
            Vec x = load_some(from + f, end - f) + bias;
            x = x < amin ? fill(amin) : x;  // NaN stays
            x = log_of(x) * scale + offset;
            store_some(to + f, x, frames - f);
            peak = x > peak || x != x ? x : peak;
        }
        return peak;
    };
    const auto end_of = [&](int64_t example) {
        return ends ? std::clamp<int64_t>(ends[example], 0, frames) : frames;
    };
    if (!matrix && top_db <= 0.0f && !to_peak) {
        for_rows(batch * channels * freq, frames, threads, [&](int64_t r) {
            level_row(cells + r * frames, end_of(r / freq / channels), out + r * frames);
        });
        return;
    }
    const int64_t rows = channels * freq, pitch = matrix ? whole_vectors(frames) : frames;
    const int64_t cost = matrix ? 2 + coefficients / 4 : 1;
    parallel_for(batch, threads_for(cost * batch * rows * frames, threads), [&](int64_t example) {
        float* levels = matrix ? scratch(size_t(rows * pitch)) : out + example * rows * frames;
        Vec peaks = fill(-INFINITY);
        for (int64_t r = 0; r < rows; r++) {
            const float* from = cells + (example * rows + r) * frames;
            const Vec own = level_row(from, end_of(example), levels + r * pitch);
            peaks = own > peaks || own != own ? own : peaks;
            for (int64_t f = frames; f < pitch; f++) levels[r * pitch + f] = 0.0f;
        }
        float peak = peaks[0];
        for (int lane = 1; lane < LANES; lane++)
            if (peaks[lane] > peak || peaks[lane] != peaks[lane]) peak = peaks[lane];
        if (top_db > 0.0f || to_peak) {
            const Vec floor = fill(top_db > 0.0f ? peak - top_db : -INFINITY);
            const float down = to_peak ? peak : 0.0f;
            for (int64_t i = 0; i < rows * pitch; i += LANES) {
                const Vec x = load_some(levels + i, rows * pitch - i);
                store_some(levels + i, (x >= floor ? x : floor) - down, rows * pitch - i);
            }
        }
        for (int64_t c = 0; c < channels && matrix; c++) {
            const float* from = levels + c * freq * pitch;
            float* to = out + (example * channels + c) * coefficients * frames;
            int64_t f = 0;
            for (; f + 2 * LANES <= frames; f += 2 * LANES)
                multiply<2>(matrix, coefficients, freq, from + f, pitch, frames, 2 * LANES, to + f);
            for (; f < frames; f += LANES)
                multiply<1>(matrix, coefficients, freq, from + f, pitch, frames, frames - f, to + f);
        }
    });
}

// Divide rows of energies, (row, frame), by an average of their past, and compress them.
//
// settings: weight of the newest frame, gain, bias and exponent, (4, bin); the rows are of the bins in
// turn. initial: the average before the first frame, or below 0 for the first frame itself.
//
// The average is exact to float: within a vector it is a scan, from vector to vector in double.
AUGSPEC_EXPORT void augspec_pcen(const float* cells, int64_t rows, int64_t frames, int64_t bins,
                                 const float* settings, float scale, float eps, float initial,
                                 int64_t threads, float* out) {
    for_rows(rows, 8 * frames, threads, [&](int64_t r) {
        const float* own = settings + r % bins;
        const float weight = own[0], gain = own[bins], bias = own[2 * bins], root = own[3 * bins];
        const double decay = 1.0 - double(weight);
        const float d1 = float(decay), d2 = d1 * d1;
        [[maybe_unused]] const float d4 = d2 * d2, d8 = d4 * d4;
        Vec onward{};
        double reach = 1.0;
        for (int lane = 0; lane < LANES; lane++) onward[lane] = float(reach *= decay);
        const float* from = cells + r * frames;
        float* to = out + r * frames;
        const float factor = float(std::pow(double(bias), double(root)));
        double before = frames == 0 ? 0.0 : initial < 0.0f ? double(from[0] * scale) : double(initial);
        for (int64_t f = 0; f < frames; f += LANES) {
            const Vec x = load_some(from + f, frames - f) * scale;
            Vec average = x * weight;
            average += shift_up<1>(Vec{}, average) * d1;
            average += shift_up<2>(Vec{}, average) * d2;
#if AUGSPEC_LANES >= 8
            average += shift_up<4>(Vec{}, average) * d4;
#endif
#if AUGSPEC_LANES >= 16
            average += shift_up<8>(Vec{}, average) * d8;
#endif
            const double newest = double(average[LANES - 1]);
            average += onward * float(before);
            before = newest + reach * before;
            const Vec level = exponential(log_of(average + eps) * -gain, false);
            const Vec y = log_of_one_plus(x * level / bias) * root;
            store_some(to + f, exponential(y, true) * factor, frames - f);
        }
    });
}
