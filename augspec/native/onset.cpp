// Onsets of a batch, each example on one thread.

#include "onsets.h"
#include "pool.h"

using namespace augspec;

// Onsets of examples, (example, channel, time), into `last` and `first`, (example, block): see
// `OnsetFinder`. There has to be a transform of n_fft / 4 samples.
extern "C" __attribute__((visibility("default"))) void augspec_find_onsets(
    const float* sound, int64_t examples, int64_t channels, int64_t time, int64_t n_fft,
    const float* window, const float* bands, int64_t threads, int64_t* last, int64_t* first) {
    const int64_t width = n_fft / 4, padded_time = time + 3 * width + 16;
    Arena counting(nullptr);
    OnsetFinder(int(n_fft), time, bands, window, counting);
    const size_t rows_size = size_t(channels * padded_time);
    parallel_for(examples, int(threads), [&](int64_t example) {
        Arena arena(scratch(counting.used() + rows_size + 2 * size_t(channels) + 64));
        OnsetFinder finder(int(n_fft), time, bands, window, arena);
        float* padded = arena.take<float>(rows_size);
        const float** rows = arena.take<const float*>(size_t(channels));
        for (int64_t channel = 0; channel < channels; channel++) {
            const float* source = sound + (example * channels + channel) * time;
            float* row = padded + channel * padded_time;
            std::fill(row, row + width, 0.0f);
            std::copy(source, source + time, row + width);
            std::fill(row + width + time, row + padded_time, 0.0f);
            rows[channel] = row + width;
        }
        const Onsets found = finder.find(rows, int(channels));
        std::copy(found.last, found.last + found.blocks, last + example * found.blocks);
        std::copy(found.first, found.first + found.blocks, first + example * found.blocks);
    });
}
