// Sines of vectors.
#pragma once

#include "lanes.h"

namespace augspec {

// sin(pi x), for |x| up to 2^21; within 1e-7 of 1.
inline Vec sine(Vec x) {
    const Vec whole = nearest(x), r = x - whole, s = r * r;
    const Vec value =
        r * (3.14159265358979f +
             s * (-5.16771278004997f +
                  s * (2.55016403987735f +
                       s * (-0.599264529320792f +
                            s * (0.0821458866111282f +
                                 s * (-0.00737043094571435f + s * 0.000466302805767612f))))));
    const IntVec odd = __builtin_convertvector(whole, IntVec) << 31;  // the sign of every other half turn
    return from_bits(bits(value) ^ odd);
}

inline Vec cosine(Vec x) { return sine(x + 0.5f); }

}  // namespace augspec
