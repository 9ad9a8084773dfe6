// Gains that follow the level: augspec/functional/dynamics.py, as loops over samples.

#include <algorithm>
#include <cmath>

#include "powers.h"
#include "export.h"
#include "pool.h"

using namespace augspec;

namespace {

constexpr float QUIET = 1e-6f;                      // -120 dB, the lowest level
constexpr float DB = 8.685889638065037f;            // dB of a unit of the natural logarithm
constexpr int64_t CHUNK = 64 * 16;                  // samples; a multiple of LANES

double coefficient(float seconds, float sample_rate) {
    return std::exp(-1.0 / (double(seconds) * double(sample_rate)));
}

// Channels that share a gain: (channel, time), of which `end` samples are heard.
struct Unit {
    const float* samples;
    int64_t channels, time, end;

    // The level of samples [first, first + count) in dB; `level` has room for whole vectors.
    void level(int64_t first, int64_t count, float* level) const {
        const int64_t heard = std::clamp<int64_t>(end - first, 0, count);
        std::fill_n(level, CHUNK, 0.0f);
        for (int64_t c = 0; c < channels; c++) {
            const float* from = samples + c * time + first;
            for (int64_t t = 0; t < heard; t++) level[t] = std::max(level[t], std::fabs(from[t]));
        }
        for (int64_t t = 0; t < count; t += LANES) {
            const Vec size = load(level + t);
            store(level + t, DB * log_of(size > QUIET ? size : fill(QUIET)));
        }
    }

    float peak_db() const {
        float peak = QUIET;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t t = 0; t < std::min(end, time); t++)
                peak = std::max(peak, std::fabs(samples[c * time + t]));
        return 20.0f * std::log10(peak);
    }
};

// Turn reductions in dB into gains; `reduction` has room for whole vectors.
void to_gain(float* reduction, int64_t count) {
    for (int64_t t = 0; t < count; t += LANES)
        store(reduction + t, exponential(load(reduction + t) * (-1.0f / DB), false));
}

}  // namespace

// Compress units, (unit, channel, time), of which the first `ends` samples are heard. thresholds
// and the other parameters: (unit).
AUGSPEC_EXPORT void augspec_compress(const float* waveform, int64_t units, int64_t channels,
                                     int64_t time, const int64_t* ends, const float* thresholds,
                                     const float* ratios, const float* attacks,
                                     const float* releases, int64_t relative, float sample_rate,
                                     float knee, int64_t threads, float* out) {
    parallel_for(units, int(threads), [&](int64_t u) {
        const Unit unit{waveform + u * channels * time, channels, time, ends[u]};
        const float threshold = thresholds[u] + (relative ? unit.peak_db() : 0.0f);
        const float slope = 1.0f - 1.0f / ratios[u];
        const double fall = coefficient(attacks[u], sample_rate);
        const double rise = coefficient(releases[u], sample_rate);
        double held = 0.0, smooth = 0.0;
        float gain[CHUNK];
        for (int64_t first = 0; first < time; first += CHUNK) {
            const int64_t count = std::min(CHUNK, time - first);
            unit.level(first, count, gain);
            for (int64_t t = 0; t < count; t += LANES) {
                const Vec excess = load(gain + t) - threshold;
                const Vec above = excess - 0.5f * knee;
                Vec reduction = above > 0.0f ? above : Vec{};
                if (knee > 0.0f) {
                    Vec inside = excess + 0.5f * knee;
                    inside = inside > 0.0f ? inside : Vec{};
                    inside = inside < knee ? inside : fill(knee);
                    reduction += inside * inside / (2.0f * knee);
                }
                store(gain + t, slope * reduction);
            }
            for (int64_t t = 0; t < count; t++) {
                const double wanted = gain[t];
                held = std::max(wanted, (1.0 - rise) * wanted + rise * held);
                smooth = (1.0 - fall) * held + fall * smooth;
                gain[t] = float(smooth);
            }
            to_gain(gain, count);
            for (int64_t c = 0; c < channels; c++) {
                const float* from = unit.samples + c * time + first;
                float* to = out + (u * channels + c) * time + first;
                for (int64_t t = 0; t < count; t++) to[t] = from[t] * gain[t];
            }
        }
    });
}

// Limit units in the same way; samples that are not heard become silent.
AUGSPEC_EXPORT void augspec_limit(const float* waveform, int64_t units, int64_t channels,
                                  int64_t time, const int64_t* ends, const float* thresholds,
                                  const float* attacks, const float* releases, int64_t relative,
                                  float sample_rate, int64_t threads, float* out) {
    parallel_for(units, int(threads), [&](int64_t u) {
        const Unit unit{waveform + u * channels * time, channels, time, ends[u]};
        const float threshold = thresholds[u] + (relative ? unit.peak_db() : 0.0f);
        const float ceiling = float(std::pow(10.0, double(threshold) / 20.0));
        const double fall = coefficient(attacks[u], sample_rate);
        const double rise = coefficient(releases[u], sample_rate);
        float* gain = scratch(size_t(time + CHUNK));
        double held = 0.0;
        for (int64_t first = 0; first < time; first += CHUNK) {
            const int64_t count = std::min(CHUNK, time - first);
            unit.level(first, count, gain + first);
            for (int64_t t = first; t < first + count; t++) {
                held = std::max(double(gain[t] - threshold), rise * held);
                gain[t] = float(held);
            }
        }
        held = 0.0;
        for (int64_t t = time - 1; t >= 0; t--) {
            held = std::max(double(gain[t]), fall * held);
            gain[t] = float(held);
        }
        to_gain(gain, time);
        for (int64_t c = 0; c < channels; c++) {
            const float* from = unit.samples + c * time;
            float* to = out + (u * channels + c) * time;
            const int64_t heard = std::clamp<int64_t>(unit.end, 0, time);
            for (int64_t t = 0; t < heard; t++)
                to[t] = std::min(std::max(from[t] * gain[t], -ceiling), ceiling);
            std::fill(to + heard, to + time, 0.0f);
        }
    });
}
