// From frames to magnitudes in bins, in one pass while the frames are in the cache.
#pragma once

#include "decibel.h"
#include "fft.h"
#include "frames.h"

namespace augspec {

struct Bins {
    int64_t count;
    const int64_t* first;  // of each bin: the first bin of the spectrum that it sums
    const int64_t* place;  // and where its weights begin; count + 1 of them. Null: no filters
    const float* weights;
};

struct Scale {
    int64_t power;     // 1 or 2
    float multiplier;  // of the logarithm to base 10; 0 for none
    float amin;        // the smallest number of which it is taken
    float offset;      // added to it
};

// What Kaldi does to a frame before the window: see augspec/features/fbank.py.
struct Preparation {
    int64_t applies;  // 1 or 0
    float factor;
    int64_t removes_mean;
    float preemphasis;  // fraction of the sample before that is subtracted
};

struct Specgram {
    const Plan* plan;
    int64_t n_fft;    // samples of a transform: zeros follow a frame that is shorter
    Framing framing;
    Preparation preparation;
    const float* window;  // half of it: `for_each_pair` gives twice the spectrum
    Bins bins;
    Scale scale;
    int64_t frames;  // of a row of the output
};

// Floats of scratch memory that `compute_frames` needs.
inline size_t room_for(const Specgram& how) {
    return size_t(LANES) * (3 * how.n_fft + 16) + size_t(how.n_fft);
}

inline Vec finish(Vec value, float gain, const Scale& scale) {
    value = value * gain;
    if (scale.multiplier == 0.0f) return value;
    value = value < scale.amin ? fill(scale.amin) : value;  // NaN stays
    return log_of(value) * (scale.multiplier * 0.4342944819032518f) + scale.offset;
}

// Power, or magnitude, of the transform in `data`, by bin.
inline void magnitudes(const Specgram& how, const Vec* data, Vec* spectrum) {
    const int64_t half = how.n_fft / 2;
    for_each_pair(*how.plan, data, [&](int k, Complex a, Complex b) {
        spectrum[k] = a.re * a.re + a.im * a.im;
        spectrum[half - k] = b.re * b.re + b.im * b.im;
    });
    if (how.scale.power == 1) {
        float* values = reinterpret_cast<float*>(spectrum);
        for (int64_t i = 0; i < (half + 1) * LANES; i++) values[i] = std::sqrt(values[i]);
    }
}

inline void prepare(const float* frame, const Specgram& how, float* to) {
    const Preparation& steps = how.preparation;
    const int64_t length = how.framing.length;
    double sum = 0.0;
    for (int64_t i = 0; i < length && steps.removes_mean; i += LANES) {
        float part = 0.0f;
        for (int64_t j = i; j < std::min(i + LANES, length); j++) part += frame[j];
        sum += double(part);
    }
    const float factor = steps.factor, mean = float(sum / double(length)) * factor;
    const auto value = [&](int64_t i) { return frame[i] * factor - mean; };
    to[0] = value(0) - steps.preemphasis * value(0);
    for (int64_t i = 1; i < length; i++) to[i] = value(i) - steps.preemphasis * value(i - 1);
    std::fill(to + length, to + how.n_fft, 0.0f);
}

// Compute frames [first, last) of a row into `out`, (bin, frame). Those from `valid` on are silent.
inline void compute_frames(const Specgram& how, const Row& row, float gain, int64_t first,
                           int64_t last, int64_t valid, float* out, float* room) {
    const int64_t n_fft = how.n_fft;
    Vec* data = reinterpret_cast<Vec*>(room);
    Vec* spectrum = data + n_fft;
    float* padded = room + LANES * (2 * n_fft + 16);
    float* single = padded + LANES * n_fft;
    const Bins& bins = how.bins;
    for (int64_t f = first; f < std::min(last, valid); f += LANES) {
        const int64_t count = std::min<int64_t>(LANES, std::min(last, valid) - f);
        const float* frames[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            float* own = padded + lane * n_fft;
            if (lane >= count) {
                frames[lane] = frames[0];
            } else if (how.preparation.applies) {
                prepare(frame_of(row, how.framing, f + lane, single), how, own);
                frames[lane] = own;
            } else {
                frames[lane] = frame_of(row, how.framing, f + lane, own);
            }
        }
        load_frames(frames, how.window, n_fft, data);
        forward(*how.plan, data);
        magnitudes(how, data, spectrum);
        for (int64_t bin = 0; bin < bins.count; bin++) {
            Vec sum = bins.place ? Vec{} : spectrum[bin];
            if (bins.place) {
                const float* weights = bins.weights + bins.place[bin];
                const Vec* values = spectrum + bins.first[bin];
                const int64_t width = bins.place[bin + 1] - bins.place[bin];
                Vec other{};
                int64_t i = 0;
                for (; i + 1 < width; i += 2) {
                    sum += weights[i] * values[i];
                    other += weights[i + 1] * values[i + 1];
                }
                if (i < width) sum += weights[i] * values[i];
                sum += other;
            }
            store_some(out + bin * how.frames + f, finish(sum, gain, how.scale), count);
        }
    }
    const float silence = finish(Vec{}, 1.0f, how.scale)[0];
    for (int64_t bin = 0; bin < bins.count; bin++)
        for (int64_t f = std::max(first, valid); f < last; f++)
            out[bin * how.frames + f] = silence;
}

}  // namespace augspec
