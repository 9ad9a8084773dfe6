// Magnitude features and resampling of batches: each row of audio on one thread, from start to end.

#include "export.h"
#include "pool.h"
#include "resample.h"
#include "specgram.h"

using namespace augspec;

// Whether a transform of n_fft samples is there: 1 or 0.
AUGSPEC_EXPORT int64_t augspec_has_fft(int64_t n_fft) {
    return n_fft <= (1 << 16) && plan_of(int(n_fft)) != nullptr;
}

// Features of `rows` channels of audio, (row, time), into `out`, (row, bin, frame).
//
// heard, ends, starts, valid, gains: of each row; starts, valid and gains may be null.
// centers: (row, frame), or null for frames at equal steps.
// steps: of each row, null for no resampling; then `time` is the input's, `resampled` the size that
// it is resampled to.
AUGSPEC_EXPORT void augspec_specgram(
    const float* waveform, int64_t rows, int64_t time, const int64_t* heard, const int64_t* ends,
    const int64_t* starts, const int64_t* valid, const float* gains, const int64_t* centers,
    const int64_t* steps, int64_t resampled, float max_ratio, const float* table,
    int64_t delay_taps, int64_t table_bits, int64_t taps, int64_t orders, float beta, int64_t n_fft,
    int64_t length, int64_t hop_length, int64_t pad, int64_t mode, int64_t prepares, float factor,
    int64_t removes_mean, float preemphasis, const float* half_window, int64_t bins,
    const int64_t* first, const int64_t* place, const float* weights, int64_t power,
    float multiplier, float amin, float offset, int64_t frames, int64_t threads, float* out) {
    const Sinc sinc_of{table, delay_taps, table_bits, taps, orders, beta};
    const Specgram how{plan_of(int(n_fft)),
                       n_fft,
                       {length, hop_length, pad, mode},
                       {prepares, factor, removes_mean, preemphasis},
                       half_window,
                       {bins, first, place, weights},
                       {power, multiplier, amin, offset},
                       frames};
    // A row is an item. Where that leaves threads without work, parts of rows are, unless each
    // would have to be resampled again.
    int64_t parts = 1;
    if (!steps && rows < 4 * threads) parts = (4 * threads + rows - 1) / std::max<int64_t>(rows, 1);
    int64_t width = (frames + parts - 1) / parts;
    width = std::max<int64_t>(LANES, (width + LANES - 1) / LANES * LANES);
    parts = (frames + width - 1) / width;
    const size_t room = room_for(how);
    parallel_for(rows * parts, int(threads), [&](int64_t item) {
        const int64_t r = item / parts, from = item % parts * width;
        const int64_t to = std::min(frames, from + width);
        Row row{waveform + r * time, std::min(heard[r], time), ends[r], starts ? starts[r] : 0,
                centers ? centers + r * frames : nullptr};
        const int64_t count = valid ? std::min(valid[r], frames) : frames;
        const size_t sound = steps ? size_t(resampled + BLOCK) : 0;
        float* memory = scratch(room + sound);
        if (steps && count > 0) {
            int64_t low = resampled, high = 0;  // what the frames hear
            for (int64_t f = 0; f < count; f++) {
                low = std::min(low, base_of(row, how.framing, f));
                high = std::max(high, base_of(row, how.framing, f) + n_fft + 1);
            }
            low = std::max<int64_t>(0, low - 1);
            float* sounding = memory + room;
            resample_row(sinc_of, row.samples, time, row.heard, steps[r], max_ratio, low,
                         std::min(high, resampled), sounding);
            row.samples = sounding;
            row.heard = std::min(high, resampled);
        }
        compute_frames(how, row, gains ? gains[r] : 1.0f, from, to, count,
                       out + r * bins * frames, memory);
    });
}

// Resample rows of audio, (row, time) to (row, size), each by its own step.
AUGSPEC_EXPORT void augspec_resample(const float* waveform, int64_t rows, int64_t time,
                                     const int64_t* ends, const int64_t* steps, int64_t size,
                                     float max_ratio, const float* table, int64_t delay_taps,
                                     int64_t table_bits, int64_t taps, int64_t orders, float beta,
                                     int64_t threads, float* out) {
    const Sinc sinc_of{table, delay_taps, table_bits, taps, orders, beta};
    parallel_for(rows, int(threads), [&](int64_t r) {
        float* whole = scratch(size_t(size + BLOCK));  // the last block may be longer than the row
        resample_row(sinc_of, waveform + r * time, time, std::min(ends[r], time), steps[r],
                     max_ratio, 0, size, whole);
        std::copy(whole, whole + size, out + r * size);
    });
}
