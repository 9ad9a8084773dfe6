// Convolution of rows with impulse responses: overlap-save, with the response in parts of one size.
//
// A row is cut into windows of two blocks, a block apart, and the response into parts of a block. The
// spectra of windows and parts lie as (bin, real or imaginary, window or part), so that one vector
// holds a bin of LANES windows that follow one another: block s of the output is the second half of
// the inverse transform of the sum over p of spectrum[s - p] * part[p].
//
// Gardner, "Efficient convolution without input-output delay", Journal of the Audio Engineering
// Society 43(3), 1995.

#include <algorithm>

#include "export.h"
#include "fft.h"
#include "frames.h"
#include "lanes.h"
#include "rows.h"

using namespace augspec;

namespace {

constexpr int64_t PIECE = 64;  // blocks of the output of one piece of work

struct Sizes {
    const Plan* plan;
    int64_t block, parts, blocks;  // blocks: of the output that a piece makes at most
    int64_t windows() const { return blocks + parts - 1; }
    int64_t n() const { return 2 * block; }
};

struct Room {
    float *sound, *response, *made, *heard, *filter;
    Vec *data, *spectrum;

    Room(Arena& arena, const Sizes& sizes) {
        const int64_t n = sizes.n(), windows = whole_vectors(sizes.windows()) + LANES;
        data = arena.take<Vec>(size_t(n));
        spectrum = arena.take<Vec>(size_t(n + 2));
        sound = arena.take<float>(size_t((windows + 1) * sizes.block));
        response = arena.take<float>(size_t(n * (whole_vectors(sizes.parts) + 1)));
        made = arena.take<float>(size_t(whole_vectors(sizes.blocks) * sizes.block));
        heard = arena.take<float>(size_t((n + 2) * windows));
        filter = arena.take<float>(size_t((n + 2) * whole_vectors(sizes.parts)));
    }
};

// Spectra of `count` stretches of n samples, `apart` samples apart.
void transform(const Plan& plan, const float* samples, int64_t count, int64_t apart, Room& room,
               int64_t width, float* spectra) {
    for (int64_t first = 0; first < count; first += LANES) {
        const float* frames[LANES];
        for (int lane = 0; lane < LANES; lane++) frames[lane] = samples + (first + lane) * apart;
        load_frames(frames, nullptr, plan.n, room.data);
        real_forward(plan, room.data, room.spectrum);
        for (int64_t i = 0; i < plan.n + 2; i++) store(spectra + i * width + first, room.spectrum[i]);
    }
}

}  // namespace

// Convolve rows, (row, time), with `groups` responses, (group, taps), of which `rows / groups` rows
// that follow one another share one. Sample t of a row's output is sample t + delays[row] of the
// convolution; a delay is at least 0.
AUGSPEC_EXPORT void augspec_convolve(const float* waveform, int64_t rows, int64_t time,
                                     const float* responses, int64_t groups, int64_t taps,
                                     const int64_t* delays, int64_t threads, float* out) {
    Sizes sizes{};
    sizes.block = 512;
    while (8 * sizes.block < taps && sizes.block < 4096) sizes.block *= 2;
    sizes.parts = (taps + sizes.block - 1) / sizes.block;
    const int64_t block = sizes.block, n = sizes.n();
    const int64_t most = (time + block - 1) / block + 1;  // blocks of an output that begins within one
    sizes.blocks = std::min(most, std::max(PIECE, 4 * sizes.parts));
    sizes.plan = plan_of(int(n));
    const int64_t pieces = (most + sizes.blocks - 1) / sizes.blocks;
    Arena needed(nullptr);
    Room counted(needed, sizes);
    parallel_for(rows * pieces, int(threads), [&](int64_t item) {
        const int64_t row = item / pieces, delay = delays[row];
        const int64_t first = delay / block + item % pieces * sizes.blocks;  // block of the output
        const int64_t last = std::min(first + sizes.blocks, (delay + time - 1) / block + 1);
        if (first >= last) return;
        const float* response = responses + row / (rows / groups) * taps;
        int64_t length = taps;  // without the silence that fills it up
        while (length > 0 && response[length - 1] == 0.0f) length--;
        const int64_t parts = std::max<int64_t>(1, (length + block - 1) / block);
        Arena arena(scratch(needed.used()));
        Room room(arena, sizes);
        const int64_t windows = last - first + parts - 1, width = whole_vectors(sizes.windows()) + LANES;

        std::fill_n(room.sound, (width + 1) * block, 0.0f);
        const int64_t start = (first - parts) * block;  // sample that the first window begins with
        const int64_t from = std::max<int64_t>(start, 0), to = std::min(last * block, time);
        if (to > from) std::copy(waveform + row * time + from, waveform + row * time + to, room.sound + from - start);
        transform(*sizes.plan, room.sound, windows, block, room, width, room.heard);

        // Each part of the response, and as much silence behind it.
        std::fill_n(room.response, n * whole_vectors(parts), 0.0f);
        for (int64_t p = 0; p < parts; p++)
            std::copy_n(response + p * block, std::min(block, length - p * block), room.response + p * n);
        transform(*sizes.plan, room.response, parts, n, room, whole_vectors(parts), room.filter);

        for (int64_t s = 0; s < last - first; s += LANES) {
            for (int64_t k = 0; k < n + 2; k += 2) {
                const float* real = room.heard + k * width + s + parts - 1;
                const float* imaginary = real + width;
                const float* c = room.filter + k * whole_vectors(parts);
                const float* d = c + whole_vectors(parts);
                Complex sum{Vec{}, Vec{}};
                for (int64_t p = 0; p < parts; p++) {
                    const Vec a = load(real - p), b = load(imaginary - p);
                    sum.re += a * c[p] - b * d[p];
                    sum.im += a * d[p] + b * c[p];
                }
                room.spectrum[k] = sum.re;
                room.spectrum[k + 1] = sum.im;
            }
            real_inverse(*sizes.plan, room.spectrum, room.data);
            for (int64_t i = 0; i < block; i += LANES) {
                Vec square[LANES];
                for (int k = 0; k < LANES; k++) square[k] = room.data[block + i + k];
                transpose(square);
                for (int lane = 0; lane < LANES; lane++)
                    store(room.made + (s + lane) * block + i, square[lane]);
            }
        }
        const int64_t begin = std::max(first * block, delay), end = std::min(last * block, delay + time);
        std::copy(room.made + begin - first * block, room.made + end - first * block,
                  out + row * time + begin - delay);
    });
}
