// Phase locking: `augspec.functional.phase_lock.lock_phases`, for LANES frames at a time.
//
// A bin finds its peak in two steps, each to the strongest bin within 2 bins. So the slot of 3 bins
// that it steps to is its own or one next to it, and a choice between three rows takes the place of
// every look-up: lanes stay frames. Only the sum of turns goes from frame to frame, with slots side
// by side.
#pragma once

#include "lanes.h"

namespace augspec {

// Spectra of LANES frames that follow one another.
struct Tile {
    Vec* spectra;  // (channel, row, 2): real and imaginary; rows behind the last bin are 0
    Vec* power;    // (row,) from 2 rows below the first bin to 2 above the last slot
};

class PhaseLock {
  public:
    PhaseLock(int n_fft, int channels, Arena& arena)
        : n_fft_(n_fft),
          hop_(n_fft / 4),
          bins_(n_fft / 2 + 1),
          slots_((bins_ + 2) / 3),
          stride_((slots_ + LANES - 1) / LANES * LANES + 2 * LANES),
          channels_(channels) {
        uphill_ = arena.take<IntVec>(rows());
        cos_ = arena.take<Vec>(stride_) + 1;
        sin_ = arena.take<Vec>(stride_) + 1;
        gain_ = arena.take<float>(LANES * stride_);
        from_ = arena.take<int32_t>(LANES * stride_);
        hill_ = arena.take<int32_t>(LANES * stride_);
        peak_ = arena.take<int32_t>(LANES * stride_);
        turns_ = arena.take<float>(stride_) + LANES;
        turned_ = arena.take<float>((LANES + 1) * stride_) + LANES;
        kept_ = arena.take<float>(stride_);
        last_spectra_ = arena.take<float>(2 * channels * rows());
        last_power_ = arena.take<float>(rows());
        last_uphill_ = arena.take<int32_t>(rows());
    }

    int rows() const { return 3 * slots_; }

    Tile take_tile(Arena& arena) const {
        return {arena.take<Vec>(2 * channels_ * rows()), arena.take<Vec>(rows() + 4)};
    }

    // Make a tile ready for its first spectra.
    void clear(Tile& tile) const {
        std::fill(tile.spectra, tile.spectra + 2 * channels_ * rows(), Vec{});
        std::fill(tile.power, tile.power + rows() + 4, fill(-1.0f));
    }

    // Begin a unit.
    void reset() {
        std::fill(uphill_, uphill_ + rows(), IntVec{});
        std::fill(last_spectra_, last_spectra_ + 2 * channels_ * rows(), 0.0f);
        std::fill(last_power_, last_power_ + rows(), 0.0f);
        std::fill(last_uphill_, last_uphill_ + rows(), 0);
        std::fill(turns_ - LANES, turns_ - LANES + stride_, 0.0f);
        std::fill(turned_ - LANES, turned_ - LANES + (LANES + 1) * stride_, 0.0f);
        cos_[-1] = sin_[-1] = cos_[slots_] = sin_[slots_] = Vec{};
        first_ = true;
    }

    // The power of all channels together; one that is not finite has no say.
    void measure_power(Tile& tile) const {
        for (int channel = 0; channel < channels_; channel++) {
            const Vec* bin = tile.spectra + 2 * channel * rows();
            Vec* power = tile.power + 2;
            for (int i = 0; i < bins_; i++) {
                Vec re = bin[2 * i], im = bin[2 * i + 1], here = re * re + im * im;
                if (channels_ > 1) here = finite(here);
                power[i] = channel ? power[i] + here : here;
            }
        }
    }

    // Turn the spectra of a tile so that they fit together at the pace of the output.
    //
    // `advance[l]` are the input samples from the frame before to that in lane l. `is_attack[l]`
    // says that an attack is copied from this frame on: what it strikes starts anew. The power
    // before an attack is that of the frame before, the power after it that of the second after.
    void turn(Tile& tile, const Tile& next, const int64_t* advance, const bool* is_attack) {
        find_gains(tile, advance);
        for (int lane = 0; lane < LANES; lane++) {
            if (is_attack[lane]) find_struck(tile, next, lane);
            sum_turns(lane, is_attack[lane] ? kept_ : nullptr);
        }
        std::copy(turned_ + LANES * stride_, turned_ + LANES * stride_ + slots_, turned_);
        first_ = false;
        keep_last(tile);
        make_phasors();
        apply_phasors(tile);
    }

  private:
    static constexpr float STRUCK_RATIO = 4.0f;  // of powers across an attack

    // What a peak gains from the frame before, for each lane.
    struct Advance {
        IntVec step;   // input samples, modulo n_fft
        Vec stretch;   // (hop - advance) / advance
    };

    // One of three; the masks say whether it is the second, or the third.
    template <class T>
    static T choose(IntVec second, IntVec third, T a, T b, T c) {
        return third ? c : (second ? b : a);
    }

    void find_gains(const Tile& tile, const int64_t* advances) {
        Advance advance;
        for (int lane = 0; lane < LANES; lane++) {
            int64_t step = std::max<int64_t>(advances[lane], 1);
            advance.step[lane] = int32_t(step % n_fft_);
            advance.stretch[lane] = (float(hop_) - float(step)) / float(step);
        }
        Vec gains[LANES];
        Vec from[LANES], hills[LANES], peaks[LANES];
        for (int first = 0; first < slots_; first += LANES) {
            for (int i = 0; i < LANES; i++) {
                if (first + i < slots_)
                    find_gain(tile, first + i, advance, gains[i], from[i], hills[i], peaks[i]);
                else
                    gains[i] = from[i] = hills[i] = peaks[i] = Vec{};
            }
            scatter(gains, gain_ + first);
            scatter(from, reinterpret_cast<float*>(from_ + first));
            scatter(hills, reinterpret_cast<float*>(hill_ + first));
            scatter(peaks, reinterpret_cast<float*>(peak_ + first));
        }
    }

    void scatter(Vec* lines, float* to) const {
        transpose(lines);
        for (int lane = 0; lane < LANES; lane++) store(to + lane * stride_, lines[lane]);
    }

    void find_gain(const Tile& tile, int slot, const Advance& advance, Vec& gain, Vec& from,
                   Vec& hill, Vec& peak) {
        const Vec* p = tile.power + 3 * slot;  // p[2] is the first bin of the slot
        IntVec* uphill = uphill_ + 3 * slot;
        climb(p, uphill);
        const IntVec second = p[3] > p[2], third = p[4] > (second ? p[3] : p[2]);
        IntVec before[3];
        for (int i = 0; i < 3; i++)
            before[i] = shift_up_by_one(last_uphill_[3 * slot + i], uphill[i]);
        from = from_bits(choose(second, third, before[0], before[1], before[2]));
        hill = from_bits(choose(second, third, uphill[0], uphill[1], uphill[2]));
        const IntVec offset = choose(second, third, IntVec{}, IntVec{} + 1, IntVec{} + 2);
        const IntVec bin = 3 * slot + offset;
        peak = from_bits(bin);
        Vec x = {}, y = {};
        for (int channel = 0; channel < channels_; channel++) {
            const int row = channel * rows() + 3 * slot;
            const Vec* here = tile.spectra + 2 * row;
            const float* last = last_spectra_ + 2 * row;
            Vec earlier[6];
            for (int i = 0; i < 6; i++) earlier[i] = shift_up<1>(fill(last[i]), here[i]);
            Vec re = choose(second, third, here[0], here[2], here[4]);
            Vec im = choose(second, third, here[1], here[3], here[5]);
            Vec re_before = choose(second, third, earlier[0], earlier[2], earlier[4]);
            Vec im_before = choose(second, third, earlier[1], earlier[3], earlier[5]);
            Vec along = re * re_before + im * im_before, across = im * re_before - re * im_before;
            x += channels_ > 1 ? finite(along) : along;
            y += channels_ > 1 ? finite(across) : across;
        }
        gain = gain_of(bin, turns_of(y, x), advance);
    }

    // The slot of the strongest bin within 2 bins of each of 3, less the slot that they are in. `p`
    // are the powers from 2 bins below to 2 above. Of equals, the nearest counts, then the lowest.
    static void climb(const Vec* p, IntVec* uphill) {
        const IntVec here = {}, below = here - 1, above = here + 1;
        climb_from(p[2], p[1], below, p[3], here, p[0], below, p[4], here, uphill[0]);
        climb_from(p[3], p[2], here, p[4], here, p[1], below, p[5], above, uphill[1]);
        climb_from(p[4], p[3], here, p[5], above, p[2], here, p[6], above, uphill[2]);
    }

    // From a power to the highest of it and four others, each with the slot that it is in.
    static void climb_from(Vec best, Vec a, IntVec slot_a, Vec b, IntVec slot_b, Vec c,
                           IntVec slot_c, Vec d, IntVec slot_d, IntVec& up) {
        up = IntVec{};
        step_to(a, best, up, slot_a);
        step_to(b, best, up, slot_b);
        step_to(c, best, up, slot_c);
        step_to(d, best, up, slot_d);
    }

    static void step_to(Vec power, Vec& best, IntVec& up, IntVec slot) {
        const IntVec higher = power > best;
        best = higher ? power : best;
        up = higher ? slot : up;
    }

    static IntVec shift_up_by_one(int32_t last, IntVec here) {
        return bits(shift_up<1>(from_bits(IntVec{} + last), from_bits(here)));
    }

    // A partial of frequency f turns a sample, in frames that were `advance` apart and are to be
    // `hop` apart, gains (hop - advance) * f. The turns of the middle of the bin are whole numbers
    // of n_fft-ths, exactly; from them on it is the deviation that counts.
    Vec gain_of(IntVec bin, Vec turns, const Advance& advance) const {
        const float unit = 1.0f / float(n_fft_);
        const IntVec product = bin * advance.step;
        const Vec whole = nearest(__builtin_convertvector(product, Vec) * unit);
        const IntVec rest = product - n_fft_ * __builtin_convertvector(whole, IntVec);
        const Vec expected = __builtin_convertvector(rest, Vec) * unit;
        Vec deviation = turns - expected;
        deviation -= nearest(deviation);
        Vec gain = __builtin_convertvector(bin & 3, Vec) * 0.25f - expected;
        return gain - nearest(gain) + advance.stretch * deviation;
    }

    // The angle of x + iy in turns, to 3e-7; 0 where both are about 0.
    static Vec turns_of(Vec y, Vec x) {
        const IntVec silent = magnitude(x) + magnitude(y) < fill(1e-30f);
        x = silent ? fill(1.0f) : x;
        y = silent ? Vec{} : y;
        const Vec wide = magnitude(x), high = magnitude(y);
        const IntVec is_wide = high < wide;
        const Vec slope = (is_wide ? high : wide) / (is_wide ? wide : high);
        const Vec square = slope * slope;
        // arctan(x) / x on [0, 1] (Hastings 1955, sheet 11).
        Vec series = -0.0117212f * square + 0.05265332f;
        series = series * square - 0.11643287f;
        series = series * square + 0.19354346f;
        series = series * square - 0.33262347f;
        series = series * square + 0.99997726f;
        Vec angle = series * slope * 0.15915494309189535f;
        angle = high > wide ? 0.25f - angle : angle;
        angle = x < Vec{} ? 0.5f - angle : angle;
        return y < Vec{} ? -angle : angle;
    }

    // A partial is struck if its power grows enough across an attack.
    void find_struck(const Tile& tile, const Tile& next, int lane) {
        for (int slot = 0; slot < slots_; slot++) {
            const int bin = peak_[lane * stride_ + slot];
            const float before = lane ? tile.power[2 + bin][lane - 1] : last_power_[bin];
            const Tile& later = lane + 2 < LANES ? tile : next;
            const float after = later.power[2 + bin][(lane + 2) % LANES];
            const bool struck = after > STRUCK_RATIO * before;
            kept_[slot] = struck ? 0.0f : 1.0f;
            if (struck) gain_[lane * stride_ + slot] = 0.0f;
        }
    }

    // Go on from the frame before: each slot from that on whose hill its peak was. Turns are kept
    // within half a turn of 0, where they are exact.
    void sum_turns(int lane, const float* kept) {
        const float* before = turned_ + lane * stride_;
        float* after = turned_ + (lane + 1) * stride_;
        const bool starts = first_ && lane < 2;
        for (int slot = 0; slot < slots_; slot += LANES) {
            Vec turns = pick(from_ + lane * stride_ + slot, before + slot);
            if (kept) turns *= load(kept + slot);
            turns += load(gain_ + lane * stride_ + slot);
            store(turns_ + slot, starts ? Vec{} : turns - nearest(turns));
        }
        for (int slot = 0; slot < slots_; slot += LANES)
            store(after + slot, pick(hill_ + lane * stride_ + slot, turns_ + slot));
    }

    static Vec pick(const int32_t* offsets, const float* from) {
        const IntVec offset = bits(load(reinterpret_cast<const float*>(offsets)));
        return choose(offset < 0, offset > 0, load(from), load(from - 1), load(from + 1));
    }

    void keep_last(const Tile& tile) {
        for (int i = 0; i < 2 * channels_ * rows(); i++)
            last_spectra_[i] = tile.spectra[i][LANES - 1];
        for (int i = 0; i < rows(); i++) {
            last_power_[i] = std::max(tile.power[2 + i][LANES - 1], 0.0f);
            last_uphill_[i] = uphill_[i][LANES - 1];
        }
    }

    void make_phasors() {
        for (int first = 0; first < slots_; first += LANES) {
            Vec lines[LANES];
            for (int lane = 0; lane < LANES; lane++)
                lines[lane] = load(turned_ + (lane + 1) * stride_ + first);
            transpose(lines);
            for (int i = 0; i < LANES && first + i < slots_; i++)
                phasor_of(lines[i], cos_[first + i], sin_[first + i]);
        }
    }

    // Cosine and sine of an angle in turns, at most half a turn from 0.
    static void phasor_of(Vec turns, Vec& cos, Vec& sin) {
        const Vec quarters = nearest(turns * 4.0f);
        const Vec angle = (turns - quarters * 0.25f) * 6.283185307179586f;
        const Vec square = angle * angle;
        Vec s = -1.9515295891e-4f * square + 8.3321608736e-3f;
        s = s * square - 1.6666654611e-1f;
        s = s * square * angle + angle;
        Vec c = 2.443315711809948e-5f * square - 1.388731625493765e-3f;
        c = c * square + 4.166664568298827e-2f;
        c = c * square * square - 0.5f * square + 1.0f;
        const IntVec quadrant = __builtin_convertvector(quarters, IntVec);
        const IntVec swapped = (quadrant & 1) != 0;
        const IntVec cos_sign = ((quadrant + 1) & 2) << 30, sin_sign = (quadrant & 2) << 30;
        cos = from_bits(bits(swapped ? s : c) ^ cos_sign);
        sin = from_bits(bits(swapped ? c : s) ^ sin_sign);
    }

    void apply_phasors(Tile& tile) const {
        for (int slot = 0; slot < slots_; slot++) {
            const Vec *cos = cos_ + slot, *sin = sin_ + slot;
            for (int i = 0; i < 3; i++) {
                const IntVec up = uphill_[3 * slot + i];
                const Vec c = choose(up < 0, up > 0, cos[0], cos[-1], cos[1]);
                const Vec s = choose(up < 0, up > 0, sin[0], sin[-1], sin[1]);
                for (int channel = 0; channel < channels_; channel++) {
                    Vec* bin = tile.spectra + 2 * (channel * rows() + 3 * slot + i);
                    const Vec re = bin[0], im = bin[1];
                    bin[0] = re * c - im * s;
                    bin[1] = re * s + im * c;
                }
            }
        }
    }

    int n_fft_, hop_, bins_, slots_, stride_, channels_;
    bool first_ = true;
    IntVec* uphill_;         // (row,)
    Vec *cos_, *sin_;        // (slot,), with one more on either side
    float* gain_;            // (lane, slot), as what follows
    int32_t *from_, *hill_, *peak_;
    float* turns_;           // (slot,)
    float* turned_;          // (lane + 1, slot): of the hill that each slot climbs to
    float* kept_;            // (slot,)
    float *last_spectra_, *last_power_;  // of the last frame of the tile before
    int32_t* last_uphill_;
};

}  // namespace augspec
