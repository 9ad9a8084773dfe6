// Powers of vectors.
#pragma once

#include "decibel.h"
#include "lanes.h"

namespace augspec {

// e to the power of x, minus 1 if `less_one`, within 2e-7 (Cephes); also for x near 0, for results
// that are no normal numbers, and for infinity and NaN.
inline Vec exponential(Vec x, bool less_one) {
    x = x < -104.0f ? fill(-104.0f) : x;
    x = x > 89.0f ? fill(89.0f) : x;
    const Vec whole = nearest(x * 1.44269504f);
    Vec rest = x - whole * 0.693359375f;
    rest -= whole * -2.12194440e-4f;
    Vec y = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * rest + 8.3334519073e-3f;
    y = y * rest + 4.1665795894e-2f;
    y = y * rest + 1.6666665459e-1f;
    y = y * rest + 5.0000001201e-1f;
    y = y * rest * rest + rest;  // e to the power of `rest`, minus 1
    const IntVec exponent = __builtin_convertvector(whole, IntVec), half = exponent >> 1;
    // Two factors, because the power of 2 alone may overflow or be denormal.
    const Vec one = from_bits((half + 127) << 23), other = from_bits((exponent - half + 127) << 23);
    const Vec power = (y + 1.0f) * one * other;
    if (!less_one) return power;
    const Vec two = one * other;
    return whole > 25.0f ? power : y * two + (two - 1.0f);
}

// Natural logarithm of 1 + x, also near 0; infinity and NaN stay what they are.
inline Vec log_of_one_plus(Vec x) {
    const Vec sum = x + 1.0f;
    // What the sum has rounded, over the sum. A quotient would take longer. The inverse is exact at 1,
    // and elsewhere within 2 %, where little is rounded compared to the logarithm.
    Vec inverse = from_bits(0x7f000000 - bits(sum));
    inverse *= 2.0f - sum * inverse;
    const Vec rounded = (x - (sum - 1.0f)) * inverse;
    const Vec y = log_of(sum) + (x < 1e6f ? rounded : Vec{});
    return x <= FLT_MAX ? y : x;
}

}  // namespace augspec
