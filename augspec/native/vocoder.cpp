// A phase vocoder: `augspec.functional.vocoder.stretch_examples`, each unit (an example, or one of
// its channels) from start to end by one thread, in its own cache.
//
// A unit's onsets are found, then its frames are taken LANES at a time: windowed, transformed,
// turned so that they fit together, transformed back and added up.

#include "onsets.h"
#include "phase_lock.h"
#include "pool.h"
#include "timemap.h"

namespace augspec {

struct Stretch {
    // Audio, (unit, channel, time), silent from `valid[unit]` on.
    const float* sound;
    // The same resampled by `ratio`, (unit, channel, source_time); null if it is not.
    const float* source;
    const float* ratio;          // (unit,); null without source
    const int64_t* valid;        // samples of each unit of the sound before silence, (unit,)
    const int64_t* source_ends;  // and of the source
    const int64_t* ends;         // and of the output
    const float* rate;           // of the source, (unit,); NaN comes out where it is not positive
    const int64_t* step;         // the same in 32.32 fixed point, at least 1
    const float* window;         // of a frame, (n_fft,)
    const float* onset_window;   // (n_fft / 4,)
    const float* onset_bands;    // (n_fft / 8 + 1, 16)
    float* out;                  // (unit, channel, size)
    int64_t units, channels, time, source_time, size, n_fft;
};

constexpr int OVERLAP = 4;    // frames over each sample of the output
constexpr int LOOKAHEAD = 2;  // frames from the first that an attack touches to one that it fills

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
        const int64_t longest = std::max(stretch.time, stretch.source_time);
        padded_time_ = longest + 3 * n_fft_;
        padded_ = arena.take<float>(channels_ * padded_time_);
        rows_ = arena.take<const float*>(channels_);
        samples_ = arena.take<Vec>(n_fft_);
        for (Vec*& pieces : pieces_) pieces = arena.take<Vec>(channels_ * n_fft_);
        for (Tile& tile : tiles_) tile = lock_.take_tile(arena);
        synthesis_ = arena.take<float>(n_fft_);
    }

    void run(int64_t unit) {
        const float rate = stretch_.rate[unit];
        const bool resampled = stretch_.source != nullptr;
        const float* source = resampled ? stretch_.source : stretch_.sound;
        const int64_t time = resampled ? stretch_.source_time : stretch_.time;
        float* out = stretch_.out + unit * channels_ * stretch_.size;
        source += unit * channels_ * time;
        if (rate == 1.0f) return copy(source, time, out);
        if (!(rate > 0.0f && rate <= 3.4028235e38f))
            return std::fill(out, out + channels_ * stretch_.size, NAN);

        pad(stretch_.sound + unit * channels_ * stretch_.time, stretch_.time, stretch_.valid[unit],
            n_fft_ / 4, false);
        const Onsets onsets = finder_.find(rows_, channels_);
        const float ratio = resampled ? stretch_.ratio[unit] : 1.0f;
        const TimeMap map(stretch_.step[unit], ratio, time, n_fft_, onsets);
        pad(source, time, stretch_.source_ends[unit], n_fft_, true);
        stretch_unit(map, stretch_.source_ends[unit], stretch_.ends[unit], out);
    }

  private:
    void copy(const float* source, int64_t time, float* out) const {
        const int64_t size = stretch_.size, count = std::min(time, size);
        for (int channel = 0; channel < channels_; channel++, source += time, out += size) {
            std::copy(source, source + count, out);
            std::fill(out + count, out + size, 0.0f);
        }
    }

    // Put `before` zeros before each channel, and behind its end zeros or its mirror image.
    //
    // The vocoder moves frames, so that near the end of the output some would hold silence already.
    void pad(const float* rows, int64_t time, int64_t end, int64_t before, bool mirrored) {
        for (int channel = 0; channel < channels_; channel++, rows += time) {
            float* begin = padded_ + channel * padded_time_;
            float* row = begin + before;
            rows_[channel] = row;
            std::fill(begin, row, 0.0f);
            std::copy(rows, rows + end, row);
            std::fill(row + end, begin + padded_time_, 0.0f);
            if (!mirrored) continue;
            for (int64_t i = 0; i < std::min<int64_t>(n_fft_, end); i++)
                row[end + i] = row[end - 1 - i];
        }
    }

    void stretch_unit(const TimeMap& map, int64_t source_end, int64_t end, float* out) {
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
    void analyse(const TimeMap& map, int64_t first, int64_t which) {
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
            gather_frames(frames, stretch_.window, n_fft_, samples_);
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

// 0 if it was done, 1 if there is no transform of this size.
extern "C" int augspec_stretch(const augspec::Stretch* stretch, int threads) {
    using namespace augspec;
    if (!plan_of(int(stretch->n_fft)) || !plan_of(int(stretch->n_fft / 4))) return 1;
    Arena counting(nullptr);
    Vocoder counted(*stretch, counting);
    parallel_for(stretch->units, threads, [&](int64_t unit) {
        Arena arena(scratch(counting.used()));
        Vocoder(*stretch, arena).run(unit);
    });
    return 0;
}
