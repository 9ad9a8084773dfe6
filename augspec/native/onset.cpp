// Onsets of a batch, and where a stretch takes its frames from: each example on one thread.

#include "export.h"
#include "onsets.h"
#include "pool.h"
#include "timemap.h"

using namespace augspec;

namespace {

// Call use(example, onsets) for every example of a batch, (example, channel, time), that needs them.
template <class Needs, class Use>
void find_each(const float* sound, int64_t examples, int64_t channels, int64_t time, int64_t n_fft,
               const float* window, const float* bands, int64_t threads, Needs&& needs, Use&& use) {
    const int64_t width = n_fft / 4, padded_time = time + 3 * width + LANES;
    Arena counting(nullptr);
    OnsetFinder(int(n_fft), time, bands, window, counting);
    counting.take<float>(size_t(channels * padded_time));
    counting.take<const float*>(size_t(channels));
    parallel_for(examples, int(threads), [&](int64_t example) {
        if (!needs(example)) return;
        Arena arena(scratch(counting.used()));
        OnsetFinder finder(int(n_fft), time, bands, window, arena);
        float* padded = arena.take<float>(size_t(channels * padded_time));
        const float** rows = arena.take<const float*>(size_t(channels));
        for (int64_t channel = 0; channel < channels; channel++) {
            const float* source = sound + (example * channels + channel) * time;
            float* row = padded + channel * padded_time;
            std::fill(row, row + width, 0.0f);
            std::copy(source, source + time, row + width);
            std::fill(row + width + time, row + padded_time, 0.0f);
            rows[channel] = row + width;
        }
        use(example, finder.find(rows, int(channels)));
    });
}

}  // namespace

// Onsets into `last` and `first`, (example, block): see `OnsetFinder`. There has to be a transform
// of n_fft / 4 samples.
AUGSPEC_EXPORT void augspec_find_onsets(const float* sound, int64_t examples, int64_t channels,
                                        int64_t time, int64_t n_fft, const float* window,
                                        const float* bands, int64_t threads, int64_t* last,
                                        int64_t* first) {
    find_each(sound, examples, channels, time, n_fft, window, bands, threads,
              [](int64_t) { return true; },
              [&](int64_t example, const Onsets& found) {
                  const int64_t place = example * found.blocks;
                  std::copy(found.last, found.last + found.blocks, last + place);
                  std::copy(found.first, found.first + found.blocks, first + place);
              });
}

// The sample around which each frame is taken, into `centers`, (example, frame). Frame f is around
// output sample first_middle + f * hop_length; steps and offsets, of each example, are in fixed
// point. With `ratios` the audio is resampled by them to `resampled` samples before.
AUGSPEC_EXPORT void augspec_place_frames(const float* sound, int64_t examples, int64_t channels,
                                         int64_t time, int64_t n_fft, const float* window,
                                         const float* bands, int64_t threads, const int64_t* steps,
                                         const int64_t* offsets, const float* ratios,
                                         int64_t resampled, int64_t first_middle,
                                         int64_t hop_length, int64_t frames, int64_t* centers) {
    // At its own tempo an example has its frames where a plain stretch has them, whatever its onsets:
    // one that only changes its speed, or is not picked.
    const auto stretched = [&](int64_t example) {
        return steps[example] != ONE || offsets[example] % ONE != 0;
    };
    for (int64_t example = 0; example < examples; example++) {
        if (stretched(example)) continue;
        for (int64_t f = 0; f < frames; f++)
            centers[example * frames + f] = offsets[example] / ONE + first_middle + f * hop_length;
    }
    find_each(sound, examples, channels, time, n_fft, window, bands, threads, stretched,
              [&](int64_t example, const Onsets& found) {
                  const int64_t step = steps[example];
                  const TimeMap map(step, ratios ? ratios[example] : 1.0f, resampled, int(n_fft),
                                    found);
                  for (int64_t f = 0; f < frames; f++)
                      centers[example * frames + f] =
                          map.at_position(offsets[example] + (first_middle + f * hop_length) * step)
                              .center;
              });
}
