// Gains that change over time, in a part of each row: the rest of a row is copied.

#include <cmath>

#include "export.h"
#include "pool.h"

using namespace augspec;

constexpr float kPi = 3.14159265358979f;

// Silence a stretch of each row, (row, time), with raised-cosine fades inside of it.
//
// starts, widths, fades: (group). `rows / groups` rows that follow one another share a group. A fade
// is at most half of the stretch.
AUGSPEC_EXPORT void augspec_mute(const float* waveform, int64_t rows, int64_t time, int64_t groups,
                                 const int64_t* starts, const int64_t* widths,
                                 const int64_t* fades, int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const int64_t g = r / (rows / groups);
        const int64_t first = starts[g], last = first + widths[g] - 1;
        const int64_t fade = std::min(fades[g], widths[g] / 2);
        const float* from = waveform + r * time;
        float* to = out + r * time;
        std::copy(from, from + time, to);
        for (int64_t t = std::max<int64_t>(first, 0); t <= std::min(last, time - 1); t++) {
            const int64_t depth = std::min(t - first, last - t) + 1;  // 1 at the first and the last
            const float place = float(depth) / float(fade + 1);
            to[t] = depth > fade ? 0.0f : from[t] * (0.5f + 0.5f * std::cos(kPi * place));
        }
    });
}

// Fade each row, (row, time), from one gain to another, linearly in dB.
//
// firsts, lasts: gains in dB, (group); begins, durations: as a fraction of the `ends` of an example,
// (group) and (example). `rows / groups` rows share a group, `rows / examples` an example.
AUGSPEC_EXPORT void augspec_gain_transition(const float* waveform, int64_t rows, int64_t time,
                                            int64_t groups, int64_t examples, const float* firsts,
                                            const float* lasts, const float* begins,
                                            const float* durations, const int64_t* ends,
                                            int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const int64_t g = r / (rows / groups);
        const float end = float(std::max<int64_t>(ends[r / (rows / examples)], 1));
        const float first = firsts[g], rise = lasts[g] - first;
        const float* from = waveform + r * time;
        float* to = out + r * time;
        const auto gain = [&](float progress) {
            return std::pow(10.0f, (first + rise * progress) / 20.0f);
        };
        const float before = gain(0.0f), after = gain(1.0f);
        for (int64_t t = 0; t < time; t++) {
            const float progress = (float(t) / end - begins[g]) / durations[g];
            to[t] = from[t] * (progress <= 0.0f ? before : progress >= 1.0f ? after : gain(progress));
        }
    });
}

// Fade rows of noise, (burst, channel, size), in and out, each over `fade` samples at most.
//
// widths, ends: (burst): the fades lie within a width, and from an end on there is silence. Writes
// the sum of the squares of the gains of each burst too.
AUGSPEC_EXPORT void augspec_fade_bursts(const float* noise, int64_t bursts, int64_t channels,
                                        int64_t size, const int64_t* widths, const int64_t* ends,
                                        int64_t fade, int64_t threads, float* out, float* energies) {
    parallel_for(bursts, int(threads), [&](int64_t b) {
        const int64_t width = widths[b], end = std::clamp<int64_t>(std::min(width, ends[b]), 0, size);
        double energy = 0.0;
        for (int64_t t = 0; t < end; t++) {
            const int64_t edge = std::min(t + 1, width - t);  // 1 at the first and the last
            const float place = std::min(float(edge) / float(fade + 1), 1.0f);
            const float gain = edge > fade ? 1.0f : (1.0f - std::cos(kPi * place)) / 2.0f;
            energy += double(gain * gain);
            for (int64_t c = 0; c < channels; c++) {
                const int64_t i = (b * channels + c) * size + t;
                out[i] = gain * noise[i];
            }
        }
        for (int64_t c = 0; c < channels; c++)
            std::fill(out + (b * channels + c) * size + end, out + (b * channels + c + 1) * size, 0.0f);
        energies[b] = float(energy);
    });
}
