// The time map of a stretch that keeps attacks: `augspec.functional.timemap.map_time`, frame by
// frame. Positions are 32.32 fixed-point numbers; what is float32 there is float here.
#pragma once

#include "onsets.h"
#include "resample.h"

namespace augspec {

class TimeMap {
  public:
    // `step` is the rate in fixed point. Where the audio was resampled by `ratio` after its onsets
    // were found, `samples` of it are left; else `ratio` is 1.
    TimeMap(int64_t step, float ratio, int64_t samples, int n_fft, const Onsets& onsets)
        : step_(step),
          reach_(n_fft / 2),
          block_(n_fft / 32),
          blocks_((samples + block_ - 1) / block_),
          resampled_(ratio != 1.0f),
          ratio_(ratio),
          onsets_(onsets) {
        rate_ = float(step) / float(ONE);
        slope_ = std::min(0.5f * rate_ / std::max(std::fabs(1.0f - rate_), 1e-3f), STEEPEST);
    }

    struct Place {
        int64_t center;  // input sample at the center of the frame
        int64_t until;   // output samples to the next onset
    };

    // Where the frame around output sample `output` is taken from.
    Place at(int64_t output) const { return at_position(output * step_); }

    // The same from where a plain stretch has it, in fixed point.
    AUGSPEC_ROUNDED Place at_position(int64_t position) const {
        const int64_t plain = (position + ONE / 2) >> 32;
        int64_t before, after;
        find_around(plain, before, after);
        const int64_t since = divide(position - before * ONE), until = divide(after * ONE - position);
        const int64_t distance = std::min(since, until), gap = since + until;
        const int64_t onset = since < until ? before : after, side = since < until ? 1 : -1;
        const float far = float(distance);
        const float returning = float(reach_) - slope_ * float(distance - reach_);
        const float shared = slope_ * (float(gap) / 2.0f - far);
        if (distance <= reach_ && far <= shared) return {onset + side * distance, until};
        const float excess = std::max(std::min(std::min(far, shared), returning), 0.0f);
        return {plain + std::lrint(float(side) * excess * (1.0f - rate_)), until};
    }

  private:
    static constexpr float STEEPEST = 2.0f;  // slope at which time that an attack took is made up

    void find_around(int64_t sample, int64_t& before, int64_t& after) const {
        int64_t block = sample >= 0 ? sample / block_ : -1;
        block = std::clamp<int64_t>(block, 0, blocks_ - 1);
        if (resampled_) block = int64_t(float(block) * ratio_);
        block = std::clamp<int64_t>(block, 0, onsets_.blocks - 1);
        before = move(onsets_.last[block]);
        after = move(onsets_.first[block]);
    }

    int64_t move(int64_t onset) const {
        if (!resampled_) return onset;
        return std::clamp<int64_t>(std::llrint(float(onset) / ratio_), -FAR_AWAY, FAR_AWAY);
    }

    // By the step, rounded to the nearest output sample.
    int64_t divide(int64_t position) const {
        position += step_ / 2;
        int64_t quotient = position / step_;
        return quotient - (position % step_ < 0);
    }

    int64_t step_, reach_, block_, blocks_;
    bool resampled_;
    float ratio_, rate_, slope_;
    const Onsets& onsets_;
};

}  // namespace augspec
