// Where the frames of a row of audio lie, and how they are padded: see augspec/features/frames.py
// and `Edges` of augspec/fusion.py, which are the reference.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "simd.h"

namespace augspec {

// MIRROR repeats the first and the last sample, as Kaldi does, and goes on at any distance.
enum PadMode : int64_t { CONSTANT = 0, REFLECT = 1, REPLICATE = 2, MIRROR = 3 };

struct Framing {
    int64_t length, hop_length;  // samples of a frame, and from one to the next
    int64_t pad;  // samples before the first: length / 2 with `center`
    int64_t mode;
};

// One channel of an example. The output's sample p is the row's sample `start + p`; or, with
// `centers`, frame f is taken around the row's sample centers[f].
struct Row {
    const float* samples;
    int64_t heard;  // what lies outside of [0, heard) is zero
    int64_t end;    // samples of the output; padding follows
    int64_t start;
    const int64_t* centers;
};

// The row's sample that frame `f` begins with, before anything is padded.
inline int64_t base_of(const Row& row, const Framing& framing, int64_t f) {
    if (row.centers) return row.centers[f] - framing.length / 2;
    return row.start + f * framing.hop_length - framing.pad;
}

// A pointer to the samples of frame `f`: into the row, or to `room`, where they are put together.
inline const float* frame_of(const Row& row, const Framing& framing, int64_t f, float* room) {
    const int64_t length = framing.length, base = base_of(row, framing, f);
    const int64_t first = f * framing.hop_length - framing.pad;  // of the output's samples
    const bool inside = first >= 0 && first + length <= row.end;
    if (inside && base >= 0 && base + length <= row.heard) return row.samples + base;
    const int64_t shift = base - first;
    const bool mirrors = framing.mode == REFLECT && row.end > length / 2;
    const bool repeats = framing.mode == REPLICATE && row.end > 0;
    for (int64_t j = 0; j < length; j++) {
        int64_t place = first + j;
        bool sounds = place >= 0 && place < row.end;
        if (!sounds && mirrors) {
            place = place < 0 ? -place : place;
            if (place >= row.end) place = 2 * (row.end - 1) - place;
            sounds = true;
        } else if (!sounds && framing.mode == MIRROR && row.end > 0) {
            place = (place % (2 * row.end) + 2 * row.end) % (2 * row.end);
            place = std::min(place, 2 * row.end - 1 - place);
            sounds = true;
        } else if (!sounds && repeats) {
            place = std::min(std::max<int64_t>(place, 0), row.end - 1);
            sounds = true;
        }
        // A frame that was moved is padded from itself, a sample early and no further.
        if (row.centers && (place - first < -1 || place - first >= length)) sounds = false;
        const int64_t index = place + shift;
        room[j] = sounds && index >= 0 && index < row.heard ? row.samples[index] : 0.0f;
    }
    return room;
}

// Put LANES frames side by side: data[i] holds sample i of each, times the window if there is one.
inline void load_frames(const float* const* frames, const float* window, int64_t n_fft, Vec* data) {
    int64_t i = 0;
    for (; i + LANES <= n_fft; i += LANES) {
        Vec block[LANES], factor = window ? load(window + i) : fill(1.0f);
        for (int lane = 0; lane < LANES; lane++) block[lane] = load(frames[lane] + i) * factor;
        transpose(block);
        for (int k = 0; k < LANES; k++) data[i + k] = block[k];
    }
    for (; i < n_fft; i++)
        for (int lane = 0; lane < LANES; lane++) data[i][lane] = window ? frames[lane][i] * window[i] : frames[lane][i];
}

}  // namespace augspec
