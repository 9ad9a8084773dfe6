// Recursive filters in blocks of samples: what augspec/functional/filter.py does from the systems on.

#include <algorithm>

#include "export.h"
#include "pool.h"
#include "resample.h"

using namespace augspec;

namespace {

// The matrices of a system for blocks of BLOCK samples, in memory that the caller gives.
struct Blocks {
    int64_t states, wide;  // wide: vectors that hold the states
    float* respond;        // (BLOCK, BLOCK): a sample of a block, and the output from it on
    float* enter;          // (BLOCK, wide * LANES): what a sample adds to the state after the block
    float* observe;        // (state, BLOCK): the output for a state before the block
    double* power;         // (state, state): from a state (column) to that a block later (row)
    double* state;
    double* next;
    float* ahead;          // (TOGETHER, wide * LANES)

    static int64_t vectors(int64_t states) { return (states + LANES - 1) / LANES; }

    static size_t room(int64_t states) {
        const size_t padded = size_t(vectors(states)) * LANES, count = size_t(states);
        return BLOCK * BLOCK + (BLOCK + TOGETHER) * padded + BLOCK * count + 2 * count * (count + 2);
    }

    Blocks(float* memory, int64_t states)
        : states(states), wide(vectors(states)), respond(memory), enter(respond + BLOCK * BLOCK),
          observe(enter + BLOCK * wide * LANES),
          power(reinterpret_cast<double*>(observe + BLOCK * states)), state(power + states * states),
          next(state + states), ahead(reinterpret_cast<float*>(next + states)) {}

    // transition: (state, state) from a column to a row; into: (state); leave: (state).
    void make(const double* transition, const double* into, const double* leave, double direct) {
        float response[BLOCK];
        // The state that a sample leaves, from the last of a block to the first.
        std::copy_n(into, states, state);
        std::fill_n(enter, BLOCK * wide * LANES, 0.0f);
        response[0] = float(direct);
        for (int n = 0; n < BLOCK; n++) {
            double heard = 0.0;
            for (int64_t s = 0; s < states; s++) {
                enter[(BLOCK - 1 - n) * wide * LANES + s] = float(state[s]);
                heard += leave[s] * state[s];
            }
            if (n + 1 < BLOCK) response[n + 1] = float(heard);
            advance(transition);
        }
        // What is heard of each state.
        std::copy_n(leave, states, state);
        for (int n = 0; n < BLOCK; n++) {
            for (int64_t s = 0; s < states; s++) observe[s * BLOCK + n] = float(state[s]);
            for (int64_t s = 0; s < states; s++) {
                next[s] = 0.0;
                for (int64_t k = 0; k < states; k++) next[s] += state[k] * transition[k * states + s];
            }
            std::swap(state, next);
        }
        for (int64_t from = 0; from < states; from++) {  // a unit of each state, a block later
            std::fill_n(state, states, 0.0);
            state[from] = 1.0;
            for (int n = 0; n < BLOCK; n++) advance(transition);
            for (int64_t to = 0; to < states; to++) power[to * states + from] = state[to];
        }
        for (int w = 0; w < BLOCK; w++) {
            std::fill_n(respond + w * BLOCK, w, 0.0f);
            std::copy_n(response, BLOCK - w, respond + w * BLOCK + w);
        }
        std::fill_n(state, states, 0.0);
    }

    void advance(const double* matrix) {
        for (int64_t to = 0; to < states; to++) {
            next[to] = 0.0;
            for (int64_t s = 0; s < states; s++) next[to] += matrix[to * states + s] * state[s];
        }
        std::swap(state, next);
    }

    // Filter TOGETHER blocks, from the state that the last call left.
    void filter(const float* sound, float* out) {
        multiply(sound, BLOCK, respond, BLOCK, TOGETHER, out);
        for (int64_t v = 0; v < wide; v++) {
            Vec sum[TOGETHER] = {};
            for (int w = 0; w < BLOCK; w++) {
                const Vec factor = load(enter + (w * wide + v) * LANES);
                for (int i = 0; i < TOGETHER; i++) sum[i] += sound[i * BLOCK + w] * factor;
            }
            for (int i = 0; i < TOGETHER; i++) store(ahead + (i * wide + v) * LANES, sum[i]);
        }
        for (int i = 0; i < TOGETHER; i++) {
            for (int64_t s = 0; s < states; s++) {
                const float value = float(state[s]);
                for (int n = 0; n < BLOCK; n++) out[i * BLOCK + n] += value * observe[s * BLOCK + n];
            }
            advance(power);
            for (int64_t s = 0; s < states; s++) state[s] += ahead[i * wide * LANES + s];
        }
    }
};

}  // namespace

// Filter rows, (row, time), from rest. `rows / groups` rows that follow one another share a system
// of doubles: transition (group, state, state), enter (group, state), leave (group, state), direct
// (group). States are kept in doubles.
AUGSPEC_EXPORT void augspec_filter(const float* waveform, int64_t rows, int64_t time, int64_t groups,
                                   int64_t states, const double* transition, const double* enter,
                                   const double* leave, const double* direct, int64_t threads,
                                   float* out) {
    parallel_for(rows, int(threads), [&](int64_t row) {
        const int64_t group = row / (rows / groups);
        Blocks blocks(scratch(Blocks::room(states)), states);
        blocks.make(transition + group * states * states, enter + group * states,
                    leave + group * states, direct[group]);
        constexpr int64_t piece = TOGETHER * BLOCK;
        for (int64_t first = 0; first < time; first += piece) {
            const int64_t count = std::min(piece, time - first);
            const float* sound = waveform + row * time + first;
            float rest[piece], made[piece];
            if (count < piece) {
                std::fill(std::copy_n(sound, count, rest), rest + piece, 0.0f);
                sound = rest;
            }
            blocks.filter(sound, made);
            std::copy_n(made, count, out + row * time + first);
        }
    });
}
