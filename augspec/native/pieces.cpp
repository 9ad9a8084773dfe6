// Pieces of audio moved to other places: copies of memory, each row on one thread.

#include <algorithm>
#include <cstring>

#include "export.h"
#include "lanes.h"
#include "pool.h"

using namespace augspec;

namespace {

// An example whose part is repeated: what is read of it, and what is written.
struct Repeated {
    const float* from;
    int64_t end;  // of the sound; silence lies around it
    float* to;

    float at(int64_t place) const { return place >= 0 && place < end ? from[place] : 0.0f; }

    // Write samples [first, last): those that lie `back` before them.
    void copy(int64_t first, int64_t last, int64_t back) const {
        const int64_t begin = std::clamp(back, first, std::max(first, last));
        const int64_t until = std::clamp(end + back, begin, std::max(begin, last));
        std::fill(to + first, to + begin, 0.0f);
        std::copy(from + begin - back, from + until - back, to + begin);
        if (until < last) std::fill(to + until, to + last, 0.0f);
    }

    // Likewise, faded in by `gains` while the samples that lie `old` before them fade out.
    AUGSPEC_ROUNDED void fade(int64_t first, int64_t last, int64_t back, int64_t old,
                              const float* gains) const {
        for (int64_t t = first; t < last; t++) {
            const float gain = gains[t - first];
            to[t] = gain * at(t - back) + (1.0f - gain) * at(t - old);
        }
    }
};

}  // namespace

// Copy pieces of rows of audio, (row, time) to (row, size). What no piece reaches has a value, such
// as silence.
//
// sources, untils, targets: (group, piece). A piece is the samples from `source` up to `until`; in
// the output it begins at `target`. Both are cut to their signals, as are pieces that begin before
// them. The targets of a group rise, and its pieces do not overlap in the output. `rows / groups`
// rows that follow one another share the pieces of a group. `untils` and `targets` may be null: up
// to the end, and at 0.
AUGSPEC_EXPORT void augspec_move(const float* waveform, int64_t rows, int64_t time, int64_t groups,
                                 int64_t pieces, const int64_t* sources, const int64_t* untils,
                                 const int64_t* targets, int64_t size, float value,
                                 int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const int64_t first = r / (rows / groups) * pieces;
        const float* from = waveform + r * time;
        float* to = out + r * size;
        int64_t done = 0;  // samples of the output that are written
        for (int64_t p = first; p < first + pieces; p++) {
            const int64_t target = targets ? targets[p] : 0;
            const int64_t until = std::min(untils ? untils[p] : time, time);
            const int64_t before = std::max({int64_t(0), -sources[p], done - target});
            const int64_t source = sources[p] + before, begin = target + before;
            const int64_t count = std::min(until - source, size - begin);
            if (count <= 0) continue;
            std::fill(to + done, to + begin, value);
            std::copy(from + source, from + source + count, to + begin);
            done = begin + count;
        }
        std::fill(to + done, to + size, value);
    });
}

// Read rows of `size` samples out of looped sounds, in chunks.
//
// starts, lengths, origins, seams, ends: (row). A row begins at a sample of its sound, which begins
// at `origin` of `sounds`, has `length` samples, and is followed by its own beginning. A chunk that
// reaches behind `end` is read from `seam` instead, where the sound has another end.
AUGSPEC_EXPORT void augspec_loop(const float* sounds, int64_t rows, int64_t size, int64_t chunk,
                                 const int64_t* starts, const int64_t* lengths,
                                 const int64_t* origins, const int64_t* seams, const int64_t* ends,
                                 int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const int64_t length = lengths[r];
        int64_t place = starts[r] % length;
        if (place < 0) place += length;
        for (int64_t t = 0; t < size; t += chunk) {
            const float* from = sounds + (place + chunk > ends[r] ? seams[r] : origins[r]) + place;
            std::copy(from, from + std::min(chunk, size - t), out + r * size + t);
            place = (place + chunk) % length;
        }
    });
}

// Read rows of `size` samples that begin with a sound of their own; silence follows.
//
// origins, lengths: (row), where the sound begins in `sounds`, and its samples. starts: (row), or null:
// the sample of the row from which on it fades out, by the gains `fade`, (fading).
AUGSPEC_EXPORT void augspec_whole(const float* sounds, int64_t rows, int64_t size,
                                  const int64_t* origins, const int64_t* lengths,
                                  const int64_t* starts, const float* fade, int64_t fading,
                                  int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const float* from = sounds + origins[r];
        float* to = out + r * size;
        const int64_t length = std::min(lengths[r], size), start = starts ? starts[r] : length;
        const int64_t full = std::clamp<int64_t>(start, 0, length);
        const int64_t last = starts ? std::clamp<int64_t>(start + fading, 0, length) : length;
        std::copy(from, from + full, to);
        for (int64_t t = full; t < last; t++) to[t] = from[t] * fade[t - start];
        std::fill(to + last, to + size, 0.0f);
    });
}

// Shorten rows of audio, (row, time), at several places, one after the other.
//
// starts, widths: (group, place); the rows of a group follow one another. At a start, `width`
// samples fade out while the `width` samples behind them fade in, and the rest follows; both are kept
// within what is left of the row. fades: (group, place, longest), the gains of what comes in, of
// which `width` are used. Silence follows at the end.
AUGSPEC_EXPORT void augspec_splice(const float* waveform, int64_t rows, int64_t time,
                                   int64_t groups, int64_t places, const int64_t* starts,
                                   const int64_t* widths, const float* fades, int64_t longest,
                                   int64_t threads, float* out) {
    parallel_for(rows, int(threads), [&](int64_t r) {
        const int64_t first = r / (rows / groups) * places;
        float* row = out + r * time;
        std::copy(waveform + r * time, waveform + (r + 1) * time, row);
        int64_t left = time;
        for (int64_t p = first; p < first + places; p++) {
            const int64_t width = std::clamp<int64_t>(widths[p], 0, std::min(left / 2, longest));
            const float* fade = fades + p * longest;
            float* old = row + std::clamp<int64_t>(starts[p], 0, left - 2 * width);
            float* after = old + width;
            for (int64_t i = 0; i < width; i++) {  // as torch.lerp does it
                const float change = after[i] - old[i];
                old[i] = fade[i] < 0.5f ? fade[i] * change + old[i]
                                        : (fade[i] - 1.0f) * change + after[i];
            }
            std::memmove(after, after + width, size_t(row + left - after - width) * sizeof(float));
            left -= width;
        }
        std::fill(row + left, row + time, 0.0f);
    });
}

// Play a part of each example several times more: `repeat_part` of augspec/functional/repeat.py, on
// (batch, channel, time).
//
// starts, widths, repeats, fades: (batch), in samples. gains: (batch, longest), with which a repeat
// fades in. ends: (batch), where examples end. The repeats are inserted, or, with `replaces`, played in
// the place of what follows them.
AUGSPEC_EXPORT void augspec_repeat(const float* waveform, int64_t batch, int64_t channels,
                                   int64_t time, const int64_t* starts, const int64_t* widths,
                                   const int64_t* repeats, const int64_t* fades, const float* gains,
                                   int64_t longest, const int64_t* ends, int64_t replaces,
                                   int64_t threads, float* out) {
    parallel_for(batch * channels, int(threads), [&](int64_t r) {
        const int64_t i = r / channels, width = std::max<int64_t>(widths[i], 1);
        const int64_t fading = std::clamp<int64_t>(std::min(fades[i], width), 0, longest);
        const int64_t sounding = std::clamp<int64_t>(ends[i], 0, time);
        const int64_t stop = replaces ? sounding : time;
        const Repeated row{waveform + r * time, sounding, out + r * time};
        // A seam at `first`, from which on samples lie `back` later than in the input.
        const auto play = [&](int64_t first, int64_t last, int64_t back, int64_t old) {
            const int64_t begin = std::clamp<int64_t>(first, 0, stop), until = std::min(last, stop);
            const int64_t faded = std::clamp(std::min(first + fading, until), begin, stop);
            row.fade(begin, faded, back, old, gains + i * longest + begin - first);
            row.copy(faded, until, back);
        };
        int64_t seam = starts[i] + width;
        row.copy(0, repeats[i] > 0 ? std::clamp<int64_t>(seam, 0, stop) : stop, 0);
        for (int64_t k = 1; k <= repeats[i] && seam < stop; k++, seam += width) {
            const bool is_last = k == repeats[i];
            play(seam, is_last && !replaces ? stop : seam + width, k * width, (k - 1) * width);
            if (is_last && replaces) play(seam + width, stop, 0, k * width);
        }
        std::fill(out + r * time + stop, out + (r + 1) * time, 0.0f);
    });
}
