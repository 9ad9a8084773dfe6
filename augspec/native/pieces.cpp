// Pieces of audio moved to other places: copies of memory, each row on one thread.

#include <cstring>

#include "export.h"
#include "pool.h"

using namespace augspec;

// Copy pieces of rows of audio, (row, time) to (row, size). What no piece reaches is silent.
//
// sources, untils, targets: (group, piece). A piece is the samples from `source` up to `until`; in
// the output it begins at `target`. Both are cut to their signals, as are pieces that begin before
// them. The targets of a group rise, and its pieces do not overlap in the output. `rows / groups`
// rows that follow one another share the pieces of a group. `untils` and `targets` may be null: up
// to the end, and at 0.
AUGSPEC_EXPORT void augspec_move(const float* waveform, int64_t rows, int64_t time, int64_t groups,
                                 int64_t pieces, const int64_t* sources, const int64_t* untils,
                                 const int64_t* targets, int64_t size, int64_t threads,
                                 float* out) {
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
            std::fill(to + done, to + begin, 0.0f);
            std::copy(from + source, from + source + count, to + begin);
            done = begin + count;
        }
        std::fill(to + done, to + size, 0.0f);
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
