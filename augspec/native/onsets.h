// Where notes are struck: `augspec.functional.onset.find_onsets`, for one example.
#pragma once

#include "decibel.h"
#include "fft.h"
#include "frames.h"
#include "lanes.h"

namespace augspec {

constexpr int64_t FAR_AWAY = int64_t{1} << 28;  // where an onset is that there is not

// The sample of the last onset up to, and of the first after, each block of samples.
struct Onsets {
    int64_t blocks;
    int64_t* last;
    int64_t* first;
};

class OnsetFinder {
  public:
    static constexpr int BANDS = 16;

    // `bands` is (width / 2 + 1, BANDS) and `window` (width,), for a width of n_fft / 4.
    OnsetFinder(int n_fft, int64_t time, const float* bands, const float* window, Arena& arena)
        : block_(n_fft / 32),
          width_(n_fft / 4),
          bins_(width_ / 2 + 1),
          frames_((time + width_ / 2) / (width_ / 2) + 1),
          blocks_((time + block_ - 1) / block_),
          time_(time),
          bands_(bands),
          window_(window),
          plan_(plan_of(width_)) {
        for (int band = 0; band < BANDS; band++) {
            low_[band] = bins_;
            for (int bin = 0; bin < bins_; bin++) {
                if (bands[bin * BANDS + band] <= 0.0f) continue;
                low_[band] = std::min(low_[band], bin);
                high_[band] = bin + 1;
            }
        }
        samples_ = arena.take<Vec>(width_);
        spectrum_ = arena.take<Vec>(width_ + 2);
        power_ = arena.take<float>((frames_ + LANES) * BANDS);
        level_ = arena.take<float>((frames_ + MEMORY + 1) * BANDS);
        novelty_ = arena.take<float>(frames_);
        energy_ = arena.take<float>(blocks_);
        marked_ = arena.take<char>(blocks_);
        onsets_ = {blocks_, arena.take<int64_t>(blocks_), arena.take<int64_t>(blocks_)};
    }

    // Each row has `width` zeros before it and twice as many behind it.
    Onsets find(const float* const* rows, int channels) {
        std::fill(marked_, marked_ + blocks_, 0);
        measure_bands(rows, channels);
        if (find_novelty()) {
            measure_slope(rows, channels);
            for (int64_t frame = 0; frame < frames_; frame++)
                if (is_onset(frame)) marked_[steepest(4 * frame)] = 1;
        }
        int64_t last = -FAR_AWAY, first = FAR_AWAY;
        for (int64_t i = 0; i < blocks_; i++) {
            if (marked_[i]) last = i * block_;
            onsets_.last[i] = last;
        }
        for (int64_t i = blocks_ - 1; i >= 0; i--) {
            onsets_.first[i] = first;
            if (marked_[i]) first = i * block_;
        }
        return onsets_;
    }

  private:
    static constexpr int MEMORY = 7;         // frames that a rise must stand out from
    static constexpr int APART = 4;          // of so many frames on either side the clearest counts
    static constexpr float RISE_DB = 5.0f;   // mean rise over the bands that makes an onset
    static constexpr float CLIP_DB = 20.0f;  // a rise from silence counts no more than a clear one

    // Powers in bands every half a frame, (frame, band), of all channels together.
    void measure_bands(const float* const* rows, int channels) {
        const float* starts[LANES];
        for (int64_t first = 0; first < frames_; first += LANES) {
            float* power = power_ + first * BANDS;
            std::fill(power, power + LANES * BANDS, 0.0f);
            for (int channel = 0; channel < channels; channel++) {
                for (int lane = 0; lane < LANES; lane++) {
                    int64_t frame = std::min(first + lane, frames_ - 1);
                    starts[lane] = rows[channel] + (frame - 1) * (width_ / 2);
                }
                load_frames(starts, window_, width_, samples_);
                real_forward(*plan_, samples_, spectrum_);
                add_bands(power, channels > 1);
            }
        }
    }

    void add_bands(float* power, bool guarded) {
        for (int bin = 0; bin < bins_; bin++) {
            Vec re = spectrum_[2 * bin], im = spectrum_[2 * bin + 1];
            samples_[bin] = re * re + im * im;
        }
        for (int band = 0; band < BANDS; band++) {
            Vec total = {};
            for (int bin = low_[band]; bin < high_[band]; bin++)
                total += bands_[bin * BANDS + band] * samples_[bin];
            if (guarded) total = finite(total);
            for (int lane = 0; lane < LANES; lane++) power[lane * BANDS + band] += total[lane];
        }
    }

    // The mean rise in dB of each frame over the loudest of those before it; false if there is none
    // because a power is not finite.
    bool find_novelty() {
        float loudest = 0.0f;
        bool known = true;
        for (int64_t i = 0; i < frames_ * BANDS; i++) {
            known &= power_[i] <= 3.4028235e38f;
            loudest = std::max(loudest, power_[i]);
        }
        if (!known) return false;
        const float floor = loudest * 1e-6f + 1e-20f;
        std::fill(level_, level_ + (MEMORY + 1) * BANDS, decibel(fill(floor))[0]);
        for (int64_t frame = 0; frame < frames_; frame++) {
            // A frame overlaps the one before by half, so the comparison leaves that one out.
            float* past = level_ + frame * BANDS;
            novelty_[frame] = rise(power_ + frame * BANDS, past, floor);
        }
        return true;
    }

    // Also writes the levels of the frame, MEMORY + 1 frames after `past`.
    static float rise(const float* power, float* past, float floor) {
        float total = 0.0f, weights = 0.0f;
        for (int band = 0; band < BANDS; band += LANES) {
            Vec floored = load(power + band) + floor, level = decibel(floored);
            store(past + (MEMORY + 1) * BANDS + band, level);
            Vec before = load(past + band);
            for (int i = 1; i < MEMORY; i++) {
                Vec later = load(past + i * BANDS + band);
                before = later > before ? later : before;
            }
            Vec rise = level - before;
            rise = rise > Vec{} ? rise : Vec{};
            rise = rise < fill(CLIP_DB) ? rise : fill(CLIP_DB);
            for (int lane = 0; lane < LANES; lane++) {
                float weight = std::sqrt(std::sqrt(floored[lane]));  // quiet bands count too
                total += rise[lane] * weight;
                weights += weight;
            }
        }
        return total / weights;
    }

    static Vec decibel(Vec power) { return log_of(power) * 4.342944819032518f; }

    bool is_onset(int64_t frame) const {
        if (!(novelty_[frame] > RISE_DB)) return false;
        int64_t end = std::min(frames_, frame + APART + 1);
        for (int64_t i = std::max<int64_t>(0, frame - APART); i < end; i++)
            if (novelty_[i] > novelty_[frame]) return false;
        return true;
    }

    // The energy of the derivative in each block. That the audio ends is no attack.
    void measure_slope(const float* const* rows, int channels) {
        std::fill(energy_, energy_ + blocks_, 0.0f);
        for (int channel = 0; channel < channels; channel++) {
            for (int64_t i = 0; i < blocks_; i++) {
                int64_t first = i * block_, count = std::min<int64_t>(block_, time_ - first);
                float energy = slope_energy(rows[channel] + first, int(count));
                if (channels == 1 || energy <= 3.4028235e38f) energy_[i] += energy;
            }
        }
        floor_ = 1e-6f * *std::max_element(energy_, energy_ + blocks_) + 1e-30f;
    }

    static float slope_energy(const float* from, int count) {
        Vec sums = {};
        int i = 0;
        for (; i + LANES <= count; i += LANES) {
            Vec slope = load(from + i) - load(from + i - 1);
            sums += slope * slope;
        }
        float total = 0.0f;
        for (int lane = 0; lane < LANES; lane++) total += sums[lane];
        for (; i < count; i++) total += (from[i] - from[i - 1]) * (from[i] - from[i - 1]);
        return total;
    }

    // The block near `around` at which the energy jumps most: in 4 blocks over the 8 before.
    int64_t steepest(int64_t around) const {
        int64_t best = around;
        float most = -1.0f;
        // The frame shows the attack from its second half on.
        int64_t end = std::min(blocks_, around + 7);
        for (int64_t i = std::max<int64_t>(0, around - 10); i < end; i++) {
            float after = 0.0f, before = 0.0f;
            for (int64_t j = i; j < std::min(i + 4, blocks_); j++) after += energy_[j];
            for (int64_t j = std::max<int64_t>(0, i - 8); j < i; j++) before += energy_[j];
            float jump = (after / 4.0f + floor_) / (before / 8.0f + floor_);
            if (jump > most) most = jump, best = i;
        }
        return std::min(best, blocks_ - 1);
    }

    int block_, width_, bins_;
    int low_[BANDS], high_[BANDS] = {};  // bins of each band
    int64_t frames_, blocks_, time_;
    const float *bands_, *window_;
    const Plan* plan_;
    Vec *samples_, *spectrum_;
    float *power_, *level_, *novelty_, *energy_;
    char* marked_;
    float floor_ = 0.0f;
    Onsets onsets_;
};

}  // namespace augspec
