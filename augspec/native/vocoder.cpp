// A phase vocoder: `augspec.functional.vocoder.stretch_examples`, each unit (an example, or one of
// its channels) from start to end by one thread, in its own cache.
//
// A unit's onsets are found, then its frames are taken LANES at a time: windowed, transformed,
// turned so that they fit together, transformed back and added up.

#include "export.h"
#include "onsets.h"
#include "phase_lock.h"
#include "pool.h"
#include "resample.h"
#include "timemap.h"

namespace augspec {

// How units are resampled before they are stretched.
struct Pitch {
    const float* ratio;    // (unit,); null for none
    const int64_t* step;   // the same in 32.32 fixed point
    const int64_t* ends;   // samples of each unit before silence, once it is resampled
    int64_t size;          // samples that there is room for
    float max_ratio;       // one that is larger gives NaN
    Sinc sinc;
};

struct Stretch {
    const float* sound;     // (unit, channel, time)
    const int64_t* valid;   // samples of each unit that are heard, (unit,)
    Pitch pitch;
    const float* rate;      // of what is resampled, (unit,); NaN where it is not positive
    const int64_t* step;    // the same in 32.32 fixed point, at least 1
    const int64_t* ends;    // samples of the output before silence, (unit,)
    const int64_t* centers;  // where frames are taken if not by the rate, (unit, place), or null
    const int64_t* until;    // output samples from these frames to the next onset, (unit, place)
    int64_t places;
    const float* window;        // (n_fft,)
    const float* onset_window;  // (n_fft / 4,)
    const float* onset_bands;   // (n_fft / 8 + 1, 16)
    int64_t units, channels, time, size, n_fft;
    float* out;             // (unit, channel, size)
};

constexpr int OVERLAP = 4;    // frames over each sample of the output
constexpr int LOOKAHEAD = 2;  // frames from the first that an attack touches to one that it fills

// Frames at given places, the first around two hops before output sample 0.
struct GivenPlaces {
    const int64_t *centers, *until;
    int64_t count, hop;

    TimeMap::Place at(int64_t output) const {
        const int64_t i = std::clamp<int64_t>(output / hop + LOOKAHEAD, 0, count - 1);
        return {centers[i], until[i]};
    }
};

class Vocoder {
  public:
    Vocoder(const Stretch& stretch, Arena& arena)
        : stretch_(stretch),
          n_fft_(int(stretch.n_fft)),
          hop_(n_fft_ / OVERLAP),
          channels_(int(stretch.channels)),
          plan_(plan_of(n_fft_)),
          finder_(n_fft_, stretch.time, stretch.onset_bands, stretch.onset_window, arena),
          lock_(n_fft_, channels_, arena) {
        padded_time_ = std::max(stretch.time, stretch.pitch.size) + 3 * n_fft_;
        padded_ = arena.take<float>(channels_ * padded_time_);
        rows_ = arena.take<const float*>(channels_);
        samples_ = arena.take<Vec>(n_fft_);
        for (Vec*& pieces : pieces_) pieces = arena.take<Vec>(channels_ * n_fft_);
        for (Tile& tile : tiles_) tile = lock_.take_tile(arena);
        synthesis_ = arena.take<float>(n_fft_);
    }

    void run(int64_t unit) {
        const float rate = stretch_.rate[unit];
        float* out = stretch_.out + unit * channels_ * stretch_.size;
        if (rate == 1.0f) return copy(unit, out);
        if (!(rate > 0.0f && rate <= 3.4028235e38f))
            return std::fill(out, out + channels_ * stretch_.size, NAN);
        if (stretch_.centers) {
            const int64_t first = unit * stretch_.places, valid = stretch_.valid[unit];
            take_rows(unit, false, valid);
            return stretch_unit(GivenPlaces{stretch_.centers + first, stretch_.until + first,
                                            stretch_.places, hop_},
                                valid, stretch_.ends[unit], out);
        }
        const Pitch& pitch = stretch_.pitch;
        // Onsets are found before resampling: that costs less, and does not depend on the pitch.
        for (int channel = 0; channel < channels_; channel++)
            take_row(unit, channel, n_fft_ / 4, false, stretch_.valid[unit]);
        const Onsets onsets = finder_.find(rows_, channels_);
        const int64_t time = pitch.ratio ? pitch.size : stretch_.time;
        const int64_t end = pitch.ratio ? pitch.ends[unit] : stretch_.valid[unit];
        const TimeMap map(stretch_.step[unit], pitch.ratio ? pitch.ratio[unit] : 1.0f, time, n_fft_,
                          onsets);
        take_rows(unit, pitch.ratio != nullptr, end);
        stretch_unit(map, end, stretch_.ends[unit], out);
    }

  private:
    const float* sound_of(int64_t unit, int channel) const {
        return stretch_.sound + (unit * channels_ + channel) * stretch_.time;
    }

    // Resample the first `size` samples of a channel.
    void resample(int64_t unit, int channel, int64_t size, float* out) const {
        const Pitch& pitch = stretch_.pitch;
        resample_row(pitch.sinc, sound_of(unit, channel), stretch_.time, stretch_.valid[unit],
                     pitch.step[unit], pitch.max_ratio, 0, size, out);
    }

    // Give the channels as they are, resampled where that is asked for, and zeros behind them.
    void copy(int64_t unit, float* out) {
        const int64_t size = stretch_.size;
        for (int channel = 0; channel < channels_; channel++, out += size) {
            const float* source = sound_of(unit, channel);
            int64_t count = std::min(stretch_.valid[unit], size);
            if (stretch_.pitch.ratio) {
                count = std::min(stretch_.pitch.size, size);
                resample(unit, channel, count, padded_);
                source = padded_;
            }
            std::copy(source, source + count, out);
            std::fill(out + count, out + size, 0.0f);
        }
    }

    // Put zeros before a channel and, from its end on, behind it.
    float* take_row(int64_t unit, int channel, int64_t before, bool resampled, int64_t end) {
        float* begin = padded_ + channel * padded_time_;
        float* row = begin + before;
        std::fill(begin, row, 0.0f);
        if (resampled)
            resample(unit, channel, end, row);
        else
            std::copy(sound_of(unit, channel), sound_of(unit, channel) + end, row);
        std::fill(row + end, begin + padded_time_, 0.0f);
        rows_[channel] = row;
        return row;
    }

    // Take the channels from which frames are taken.
    void take_rows(int64_t unit, bool resampled, int64_t end) {
        for (int channel = 0; channel < channels_; channel++) {
            float* row = take_row(unit, channel, n_fft_, resampled, end);
            // Near the end of the output some of the frames, which are moved, would hold silence.
            for (int64_t i = 0; i < std::min<int64_t>(n_fft_, end); i++)
                row[end + i] = row[end - 1 - i];
        }
    }

    template <class Map>
    void stretch_unit(const Map& map, int64_t source_end, int64_t end, float* out) {
        const float scale = 1.0f / (0.375f * OVERLAP);  // what both windows of 4 frames add up to
        for (int i = 0; i < n_fft_; i++) synthesis_[i] = stretch_.window[i] * scale;
        for (int64_t i = 0; i < channels_ * n_fft_; i++) pieces_[1][i] = Vec{};
        for (const Tile& tile : tiles_) lock_.clear(const_cast<Tile&>(tile));
        lock_.reset();
        end_ = std::min(end, stretch_.size);
        source_end_ = source_end;
        last_center_ = map.at(-3 * hop_).center;
        // Heard are frames -1 to blocks + 1; frame -2 only tells what an attack strikes.
        const int64_t frames = (end_ + hop_ - 1) / hop_ + OVERLAP;
        analyse(map, 0, 0);
        for (int64_t first = 0, i = 0; first < frames; first += LANES, i ^= 1) {
            analyse(map, first + LANES, i ^ 1);
            lock_.turn(tiles_[i], tiles_[i ^ 1], advances_[i], attacks_[i]);
            synthesise(tiles_[i], i);
            add_up(first, i, out);
        }
        for (int channel = 0; channel < channels_; channel++, out += stretch_.size)
            std::fill(out + end_, out + stretch_.size, 0.0f);
    }

    // Take the spectra of frames `first` and on; frame 2 is around output sample 0.
    template <class Map>
    void analyse(const Map& map, int64_t first, int64_t which) {
        int64_t starts[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            const TimeMap::Place place = map.at((first + lane - LOOKAHEAD) * hop_);
            advances_[which][lane] = place.center - last_center_;
            last_center_ = place.center;
            // The first frame that an attack touches, half a frame before it.
            const int64_t reach = n_fft_ / 2;
            attacks_[which][lane] = place.until > reach - hop_ && place.until <= reach;
            starts[lane] = std::clamp<int64_t>(place.center - reach, -n_fft_,
                                               source_end_ + n_fft_);
        }
        Tile& tile = tiles_[which];
        for (int channel = 0; channel < channels_; channel++) {
            const float* frames[LANES];
            for (int lane = 0; lane < LANES; lane++) frames[lane] = rows_[channel] + starts[lane];
            load_frames(frames, stretch_.window, n_fft_, samples_);
            real_forward(*plan_, samples_, tile.spectra + 2 * channel * lock_.rows());
        }
        lock_.measure_power(tile);
    }

    void synthesise(Tile& tile, int64_t which) {
        for (int channel = 0; channel < channels_; channel++)
            real_inverse(*plan_, tile.spectra + 2 * channel * lock_.rows(),
                         pieces_[which] + channel * n_fft_);
    }

    // Add up windowed frames: lane m of what comes out is the block of a hop that begins with the
    // fourth quarter of frame first + m - 3, and ends with the first one of frame first + m.
    void add_up(int64_t first, int64_t which, float* out) {
        for (int channel = 0; channel < channels_; channel++, out += stretch_.size) {
            const Vec* here = pieces_[which] + channel * n_fft_;
            const Vec* before = pieces_[which ^ 1] + channel * n_fft_;
            for (int j = 0; j < hop_; j += LANES) {
                Vec lines[LANES];
                const int count = std::min(LANES, hop_ - j);
                for (int i = 0; i < count; i++) {
                    const int a = j + i, b = a + hop_, c = b + hop_, d = c + hop_;
                    lines[i] = synthesis_[d] * shift_up<3>(before[d], here[d]) +
                               synthesis_[c] * shift_up<2>(before[c], here[c]) +
                               synthesis_[b] * shift_up<1>(before[b], here[b]) +
                               synthesis_[a] * here[a];
                }
                for (int i = count; i < LANES; i++) lines[i] = Vec{};
                transpose(lines);
                for (int lane = 0; lane < LANES; lane++)
                    put(lines[lane], (first + lane - OVERLAP) * hop_ + j, count, out);
            }
        }
    }

    // Write up to the end, from the beginning.
    void put(const Vec& line, int64_t at, int count, float* out) const {
        if (at < 0 || at >= end_) return;
        count = int(std::min<int64_t>(count, end_ - at));
        if (count == LANES)
            store(out + at, line);
        else
            std::memcpy(out + at, &line, count * sizeof(float));
    }

    const Stretch& stretch_;
    int n_fft_, hop_, channels_;
    const Plan* plan_;
    OnsetFinder finder_;
    PhaseLock lock_;
    int64_t padded_time_, end_ = 0, source_end_ = 0, last_center_ = 0;
    float *padded_, *synthesis_;
    const float** rows_;
    Vec *samples_, *pieces_[2];
    Tile tiles_[2];
    int64_t advances_[2][LANES];
    bool attacks_[2][LANES];
};

}  // namespace augspec

// Stretch units of audio, (unit, channel, time) to (unit, channel, size): see `Stretch`. There have
// to be transforms of n_fft and of n_fft / 4 samples.
AUGSPEC_EXPORT void augspec_stretch(
    const float* sound, int64_t units, int64_t channels, int64_t time, const int64_t* valid,
    const float* ratio, const int64_t* ratio_step, const int64_t* source_ends, int64_t source_size,
    float max_ratio, const float* table, int64_t delay_taps, int64_t table_bits, int64_t taps,
    int64_t orders, float beta, const float* rate, const int64_t* step, const int64_t* ends,
    int64_t size, int64_t n_fft, const float* window, const float* onset_window,
    const float* onset_bands, const int64_t* centers, const int64_t* until, int64_t places,
    int64_t threads, float* out) {
    using namespace augspec;
    const Sinc sinc{table, delay_taps, table_bits, taps, orders, beta};
    const Pitch pitch{ratio, ratio_step, source_ends, source_size, max_ratio, sinc};
    const Stretch stretch{sound,  valid,        pitch,       rate,  step,     ends, centers, until, places,
                          window, onset_window, onset_bands, units, channels, time, size,    n_fft, out};
    Arena counting(nullptr);
    Vocoder counted(stretch, counting);
    parallel_for(units, int(threads), [&](int64_t unit) {
        Arena arena(scratch(counting.used()));
        Vocoder(stretch, arena).run(unit);
    });
}
