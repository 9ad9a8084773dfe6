// Packets of audio that a network loses.

#include "export.h"
#include "hash.h"
#include "rows.h"

using namespace augspec;

// Lose packets of `size` samples of rows, (row, time): `packet_loss` of
// augspec/functional/telephone.py.
//
// keys, shares, begins, stays: (group), the fraction of lost packets, and the probabilities of a loss
// after a received packet and after a lost one; `rows / groups` rows that follow one another share
// them. ends: (batch), where examples end; silence follows. A lost packet is silent, or, with a `fall`
// of at least 0, the last received one at a level that falls by so much in a packet.
AUGSPEC_EXPORT void augspec_packet_loss(const float* waveform, int64_t rows, int64_t time,
                                        int64_t size, int64_t groups, const int64_t* keys,
                                        int64_t stream, const float* shares, const float* begins,
                                        const float* stays, int64_t batch, const int64_t* ends,
                                        float fall, int64_t threads, float* out) {
    for_rows(rows, time, threads, [&](int64_t r) {
        const int64_t group = r / (rows / groups);
        const int64_t end = std::clamp<int64_t>(ends[r / (rows / batch)], 0, time);
        const uint64_t scrambled = scramble(uint64_t(keys[group]) ^ uint64_t(stream));
        const float *from = waveform + r * time, *received = nullptr;  // the packet of that kind
        float* to = out + r * time;
        bool is_lost = false;
        int64_t age = 0;  // packets since the last received one
        for (int64_t k = 0; k * size < end; k++, from += size, to += size) {
            const int64_t count = std::min(size, end - k * size);
            const float unit = unit_of(bits_of(scrambled, k));
            const float chance = k == 0 ? shares[group] : begins[group];
            if (k == 0 || unit < chance || unit >= stays[group]) is_lost = unit < chance;
            if (!is_lost && !(shares[group] >= 1.0f)) {
                std::copy(from, from + count, to);
                received = from;
                age = 0;
                continue;
            }
            if (fall < 0.0f || !received || float(age) * fall >= 1.0f) {
                std::fill(to, to + count, 0.0f);
                continue;
            }
            for (int64_t i = 0; i < count; i++) {
                const float since = float(age) + float(int32_t(i)) / float(int32_t(size));
                to[i] = received[i] * std::max(1.0f - since * fall, 0.0f);
            }
            age++;
        }
        std::fill(out + r * time + end, out + (r + 1) * time, 0.0f);
    });
}
