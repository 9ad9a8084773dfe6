// Changes of spectrograms, (example, channel, bin, frame), row after row. Frames from `ends` of an
// example on are padding.

#include <cmath>

#include "export.h"
#include "rows.h"

using namespace augspec;

namespace {

// The sum of value(cell): of some hundred in float, of these sums in double.
template <class Value>
double sum_of(const float* row, int64_t count, Value&& value) {
    constexpr int64_t kBlock = 32 * LANES;
    double sum = 0.0;
    int64_t i = 0;
    while (i + LANES <= count) {
        const int64_t last = std::min(i + kBlock, count);
        Vec sums{};
        for (; i + LANES <= last; i += LANES) sums += value(load(row + i));
        for (int lane = 0; lane < LANES; lane++) sum += double(sums[lane]);
    }
    if (i < count) {
        const Vec rest = value(load_some(row + i, count - i));
        for (int64_t lane = 0; lane < count - i; lane++) sum += double(rest[lane]);
    }
    return sum;
}

// A tensor that broadcasts with the cells; null is none.
struct Operand {
    const float* values;
    int64_t strides[4];

    // Numbers of a row: one for each frame, or one for all.
    struct Row {
        const float* values;
        Vec one;

        Vec at(int64_t frame, int64_t count) const {
            return values ? load_some(values + frame, count) : one;
        }
    };

    Row row(int64_t example, int64_t channel, int64_t bin) const {
        if (!values) return Row{nullptr, Vec{}};
        const float* first = values + example * strides[0] + channel * strides[1] + bin * strides[2];
        return Row{strides[3] ? first : nullptr, fill(*first)};
    }
};

// Places between two neighbours, of which either may lie outside.
struct Between {
    int32_t low, high;
    float low_share, high_share;
    float part;

    Between(float place, int64_t count) {
        const float below = std::floor(place);
        // Beyond both ends all places are alike, and NaN is one of them.
        const float near = below >= -2.0f ? std::min(below, float(count)) : -2.0f;
        const int32_t last = int32_t(std::max<int64_t>(count, 1) - 1), at = int32_t(near);
        low = std::clamp(at, 0, last);
        high = std::clamp(at + 1, 0, last);
        part = place - below;
        low_share = low == at && count > 0 ? 1.0f - part : 0.0f;
        high_share = high == at + 1 && count > 0 ? part : 0.0f;
    }
};

}  // namespace

// Mean of groups of cells, (outer, depth, inner, frame), over depth and frame, and the root of their
// variance plus `eps`.
//
// ends: (example), frames that count, or null for all; `outer / examples` groups follow one another
// in an example. Both have one number for each of (outer, inner); without `deviates` only the mean.
AUGSPEC_EXPORT void augspec_moments(const float* cells, int64_t outer, int64_t depth, int64_t inner,
                                    int64_t frames, int64_t examples, const int64_t* ends,
                                    int64_t deviates, float eps, int64_t threads,
                                    float* means, float* deviations) {
    for_rows(outer * inner, depth * frames, threads, [&](int64_t group) {
        const int64_t o = group / inner, example = o / (outer / examples);
        const float* first = cells + (o * depth * inner + group % inner) * frames;
        const int64_t count = ends ? std::clamp<int64_t>(ends[example], 0, frames) : frames;
        const double number = double(std::max<int64_t>(count * depth, ends ? 1 : 0));
        double sum = 0.0;
        for (int64_t d = 0; d < depth; d++)
            sum += sum_of(first + d * inner * frames, count, [](Vec x) { return x; });
        const float mean = float(sum / number);
        means[group] = mean;
        if (!deviates) return;
        double squares = 0.0;
        for (int64_t d = 0; d < depth; d++)
            squares += sum_of(first + d * inner * frames, count,
                              [&](Vec x) { return (x - mean) * (x - mean); });
        deviations[group] = float(std::sqrt(squares / number + double(eps)));
    });
}

// The smallest cell of each group, (group, frame), NaN if it has one; infinity if it has no frame.
AUGSPEC_EXPORT void augspec_least(const float* cells, int64_t groups, int64_t rows, int64_t frames,
                                  int64_t examples, const int64_t* ends, int64_t threads,
                                  float* out) {
    for_rows(groups, rows * frames, threads, [&](int64_t group) {
        const int64_t example = group / (groups / examples);
        const int64_t count = ends ? std::clamp<int64_t>(ends[example], 0, frames) : frames;
        Vec least = fill(INFINITY);
        for (int64_t r = group * rows; r < (group + 1) * rows; r++) {
            const float* row = cells + r * frames;
            int64_t i = 0;
            for (; i + LANES <= count; i += LANES) {
                const Vec x = load(row + i);
                least = x < least || x != x ? x : least;
            }
            for (; i < count; i++)
                if (row[i] < least[0] || row[i] != row[i]) least[0] = row[i];
        }
        float found = least[0];
        for (int lane = 1; lane < LANES; lane++)
            if (least[lane] < found || least[lane] != least[lane]) found = least[lane];
        out[group] = found;
    });
}

// Give (cell + before) * factor + after, where each of the three broadcasts by its strides or is null.
//
// ends: (example), or null; padding becomes 0 if `silent`, and stays as it is otherwise.
AUGSPEC_EXPORT void augspec_affine(
    const float* cells, int64_t batch, int64_t channels, int64_t freq, int64_t frames,
    const int64_t* ends, int64_t silent, const float* before, int64_t before_example,
    int64_t before_channel, int64_t before_bin, int64_t before_frame, const float* factor,
    int64_t factor_example, int64_t factor_channel, int64_t factor_bin, int64_t factor_frame,
    const float* after, int64_t after_example, int64_t after_channel, int64_t after_bin,
    int64_t after_frame, int64_t threads, float* out) {
    const Operand operands[3] = {
        {before, {before_example, before_channel, before_bin, before_frame}},
        {factor, {factor_example, factor_channel, factor_bin, factor_frame}},
        {after, {after_example, after_channel, after_bin, after_frame}}};
    for_rows(batch * channels * freq, frames, threads, [&](int64_t r) {
        const int64_t bin = r % freq, channel = r / freq % channels, example = r / freq / channels;
        const int64_t count = ends ? std::clamp<int64_t>(ends[example], 0, frames) : frames;
        const Operand::Row sums[2] = {operands[0].row(example, channel, bin),
                                      operands[2].row(example, channel, bin)};
        const Operand::Row product = operands[1].row(example, channel, bin);
        const float* from = cells + r * frames;
        float* to = out + r * frames;
        const auto change = [&](int64_t i, int64_t some) {
            Vec x = load_some(from + i, some);
            if (before) x += sums[0].at(i, some);
            if (factor) x *= product.at(i, some);
            if (after) x += sums[1].at(i, some);
            store_some(to + i, x, some);
        };
        int64_t i = 0;
        for (; i + LANES <= count; i += LANES) change(i, LANES);
        if (i < count) change(i, count - i);
        if (silent) {
            std::fill(to + count, to + frames, 0.0f);
        } else {
            std::copy(from + count, from + frames, to + count);
        }
    });
}

// Copy cells, and put a value where they lie in a band of bins or in a span of frames; with `crossed`
// in a band and in the span of the same number.
//
// Starts and widths: (group, band), (group, span); values: (example, channel). `batch * channels /
// groups` channels share the bands and spans of a group.
AUGSPEC_EXPORT void augspec_mask(const float* cells, int64_t batch, int64_t channels, int64_t freq,
                                 int64_t frames, int64_t groups, int64_t bands,
                                 const int64_t* band_starts, const int64_t* band_widths,
                                 int64_t spans, const int64_t* span_starts,
                                 const int64_t* span_widths, int64_t crossed, const float* values,
                                 const int64_t* ends, int64_t threads, float* out) {
    for_rows(batch * channels * freq, frames, threads, [&](int64_t r) {
        const int64_t bin = r % freq, channel = r / freq;
        const int64_t group = channel / (batch * channels / groups);
        const float* from = cells + r * frames;
        float* to = out + r * frames;
        std::copy(from, from + frames, to);
        const int64_t count = ends ? std::min(ends[channel / channels], frames) : frames;
        const auto blank = [&](int64_t first, int64_t width) {
            const int64_t last = std::min(first + width, count);
            for (int64_t f = std::max<int64_t>(first, 0); f < last; f++) to[f] = values[channel];
        };
        const auto is_in_band = [&](int64_t i) {
            const int64_t place = bin - band_starts[group * bands + i];
            return place >= 0 && place < band_widths[group * bands + i];
        };
        for (int64_t i = 0; i < bands && !crossed; i++)
            if (is_in_band(i)) blank(0, frames);
        for (int64_t i = 0; i < spans; i++)
            if (!crossed || is_in_band(i))
                blank(span_starts[group * spans + i], span_widths[group * spans + i]);
    });
}

// Read cells between their bins and frames, by linear interpolation, (example, channel, bin, frame) to
// (example, channel, new_freq, new_frames).
//
// bins: (example, new_freq), frame_places: (example, new_frames), where to read; either may be null,
// for all as they are. ends: (example), frames that may be read. fills: (example, channel), what lies
// outside; null repeats the first and the last frame, for frames alone. written: (example), or null:
// later frames are copied.
AUGSPEC_EXPORT void augspec_read(const float* cells, int64_t batch, int64_t channels, int64_t freq,
                                 int64_t frames, const float* bins, int64_t new_freq,
                                 const float* frame_places, int64_t new_frames, const int64_t* ends,
                                 const float* fills, const int64_t* written, int64_t threads,
                                 float* out) {
    const int64_t some = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, new_frames));
    const int64_t parts = (new_freq + some - 1) / some;  // of a channel
    const int sharing = threads_for(3 * batch * channels * new_freq * new_frames, threads);
    parallel_for(batch * channels * parts, sharing, [&](int64_t item) {
        const int64_t channel = item / parts, example = channel / channels;
        const int64_t last = std::min(new_freq, (item % parts + 1) * some);
        const int64_t count = written ? std::clamp<int64_t>(written[example], 0, new_frames)
                                      : new_frames;
        const float outside = fills ? fills[channel] : 0.0f;
        float* mixed = scratch(size_t(frames + 5 * new_frames + 1));
        float* low_shares = mixed + frames;
        float* high_shares = low_shares + new_frames;
        float* fill_shares = high_shares + new_frames;
        int32_t* lows = reinterpret_cast<int32_t*>(fill_shares + new_frames);
        int32_t* highs = lows + new_frames;
        for (int64_t f = 0; f < count && frame_places; f++) {
            const Between place(frame_places[example * new_frames + f],
                                std::min(ends[example], frames));
            lows[f] = place.low, highs[f] = place.high;
            low_shares[f] = fills ? place.low_share : place.part;
            high_shares[f] = place.high_share;
            fill_shares[f] = (1.0f - place.low_share - place.high_share) * outside;
        }
        for (int64_t k = item % parts * some; k < last; k++) {
            const float* whole = cells + channel * freq * frames;
            const float* row = whole + std::min(k, freq - 1) * frames;
            float* to = out + (channel * new_freq + k) * new_frames;
            if (bins) {
                const Between place(bins[example * new_freq + k], freq);
                const float* low = whole + place.low * frames;
                const float* high = whole + place.high * frames;
                const float a = place.low_share, b = place.high_share;
                // A share of 0 is no factor: what is not finite stays where it is.
                const float rest = 1.0f - a - b > 0.0f ? (1.0f - a - b) * outside : 0.0f;
                if (a == 1.0f) {
                    row = low;
                } else {
                    row = mixed;
                    for (int64_t f = 0; f < frames; f++)
                        mixed[f] = (a > 0.0f ? a * low[f] : 0.0f) + (b > 0.0f ? b * high[f] : 0.0f) + rest;
                }
            }
            if (!frame_places) {
                std::copy(row, row + count, to);
            } else if (fills) {
                for (int64_t f = 0; f < count; f++)
                    to[f] = fill_shares[f] + low_shares[f] * row[lows[f]] +
                            high_shares[f] * row[highs[f]];
            } else {
                for (int64_t f = 0; f < count; f++) {  // as torch.lerp does it
                    const float a = row[lows[f]], b = row[highs[f]], part = low_shares[f];
                    to[f] = part < 0.5f ? part * (b - a) + a : b - (b - a) * (1.0f - part);
                }
            }
            if (count < new_frames) {
                const float* kept = whole + k * frames;
                std::copy(kept + count, kept + new_frames, to + count);
            }
        }
    });
}

// Weighted sums of the frames around each frame, (example, row, frame) to (example, order, row,
// frame); those of order 0 are the frames themselves.
//
// weights: (order, width). ends: (example), or null; later frames become 0. The first and the last
// frame are repeated, or with `interpolate`, if there are enough frames, the first and the last sum
// of frames alone.
AUGSPEC_EXPORT void augspec_slopes(const float* cells, int64_t batch, int64_t rows, int64_t frames,
                                   const int64_t* ends, int64_t count, const int64_t* orders,
                                   const float* weights, int64_t width, int64_t interpolate,
                                   int64_t threads, float* out) {
    const int64_t half = width / 2;
    for_rows(batch * rows, frames * count, threads, [&](int64_t r) {
        const int64_t example = r / rows;
        const int64_t end = ends ? std::clamp<int64_t>(ends[example], 0, frames) : frames;
        const float* from = cells + r * frames;
        float* padded = scratch(size_t(whole_vectors(frames) + width));
        if (end > 0) {
            std::fill(padded, padded + half, from[0]);
            std::copy(from, from + end, padded + half);
            std::fill(padded + half + end, padded + whole_vectors(frames) + width, from[end - 1]);
        }
        for (int64_t n = 0; n < count; n++) {
            float* to = out + ((example * count + n) * rows + r % rows) * frames;
            if (orders[n] == 0) {
                std::copy(from, from + frames, to);
                continue;
            }
            const float* taps = weights + n * width;
            for (int64_t f = 0; f < end; f += LANES) {
                Vec sum = load(padded + f) * taps[0];
                for (int64_t i = 1; i < width; i++) sum += load(padded + f + i) * taps[i];
                store_some(to + f, sum, end - f);
            }
            if (interpolate && end >= width) {
                std::fill(to, to + half, to[half]);
                std::fill(to + end - half, to + end, to[end - half - 1]);
            }
            std::fill(to + end, to + frames, 0.0f);
        }
    });
}
