// Logarithms and exponentials of vectors.
#pragma once

#include <cfloat>

#include "lanes.h"

namespace augspec {

// Natural logarithm of normal numbers, within 1e-7 (Cephes); infinity and NaN stay what they are.
inline Vec log_of(Vec x) {
    IntVec bits = (IntVec)x;
    IntVec exponent = (bits - 0x3f3504f3) >> 23;  // of x over the root of one half
    Vec f = (Vec)(bits - (exponent << 23)) - 1.0f;
    Vec e = __builtin_convertvector(exponent, Vec);
    Vec square = f * f;
    Vec y = f * 7.0376836292e-2f - 1.1514610310e-1f;
    y = y * f + 1.1676998740e-1f;
    y = y * f - 1.2420140846e-1f;
    y = y * f + 1.4249322787e-1f;
    y = y * f - 1.6668057665e-1f;
    y = y * f + 2.0000714765e-1f;
    y = y * f - 2.4999993993e-1f;
    y = y * f + 3.3333331174e-1f;
    y = y * f * square + e * -2.12194440e-4f - 0.5f * square;
    y = f + y + e * 0.693359375f;
    return x <= FLT_MAX ? y : x;
}

// Exponential of numbers up to 88, within 1e-7 of it (Cephes); 0 below -87, and NaN stays.
inline Vec exp_of(Vec x) {
    const Vec kept = x > -87.0f ? x : fill(-87.0f);
    const Vec whole = nearest(kept * 1.44269504088896341f);
    const Vec f = kept - whole * 0.693359375f - whole * -2.12194440e-4f;
    Vec y = f * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * f + 8.3334519073e-3f;
    y = y * f + 4.1665795894e-2f;
    y = y * f + 1.6666665459e-1f;
    y = y * f + 5.0000001201e-1f;
    y = y * f * f + f + 1.0f;
    y = from_bits(bits(y) + (__builtin_convertvector(whole, IntVec) << 23));
    return x >= -87.0f ? y : x < -87.0f ? Vec{} : x;
}

}  // namespace augspec
