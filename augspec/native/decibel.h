// Logarithms of vectors.
#pragma once

#include <cfloat>

#include "simd.h"

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

}  // namespace augspec
