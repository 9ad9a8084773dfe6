// Values by their rank in a row, such as a median, without sorting the row.

#include <cstring>

#include "export.h"
#include "pool.h"

using namespace augspec;

namespace {

uint32_t bits_of(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits & 0x7FFFFFFFu;
}

}  // namespace

// For the magnitudes of each row, (row, time), give the values of `wanted` ranks: 0 is the smallest.
// ranks: (row, wanted), from 0 to time - 1, to which others are cut. NaN comes after infinity, as in torch.sort.
//
// Magnitudes are in the order of their bits. The exponent and the first three bits of the fraction
// part a row in classes, an eighth of an octave wide; only the class of a rank is searched further.
AUGSPEC_EXPORT void augspec_rank(const float* samples, int64_t rows, int64_t time,
                                 const int64_t* ranks, int64_t wanted, int64_t threads,
                                 float* out) {
    constexpr int kShift = 20, kClasses = 1 << (31 - kShift);
    parallel_for(rows, int(threads), [&](int64_t r) {
        const float* row = samples + r * time;
        int64_t counts[kClasses] = {};
        for (int64_t i = 0; i < time; i++) counts[bits_of(row[i]) >> kShift]++;
        uint32_t* members = reinterpret_cast<uint32_t*>(scratch(size_t(time)));
        int held = -1;
        for (int64_t w = r * wanted; w < (r + 1) * wanted; w++) {
            int64_t place = std::clamp<int64_t>(ranks[w], 0, time - 1);
            int found = 0;
            while (place >= counts[found]) place -= counts[found++];
            if (found != held) {
                held = found;
                uint32_t* next = members;
                for (int64_t i = 0; i < time; i++)
                    if (int(bits_of(row[i]) >> kShift) == found) *next++ = bits_of(row[i]);
            }
            std::nth_element(members, members + place, members + counts[found]);
            std::memcpy(out + w, members + place, sizeof(float));
        }
    });
}
