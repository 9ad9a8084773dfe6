// Real Fourier transforms of LANES signals side by side: lane l of every vector is of signal l.
//
//     const Plan* plan = plan_of(n);         // null unless n is even and n / 2 has no prime factor above 13
//     Vec data[n];                           // sample i of all signals is data[i]
//     real_forward(*plan, data, spectrum);   // bin k is spectrum[2 * k] + i spectrum[2 * k + 1]
//     real_inverse(*plan, spectrum, data);   // scaled by 1 / n; the spectrum is overwritten
//
// `spectrum` has n + 2 vectors, for bins 0 to n / 2. `data` is overwritten by the forward transform
// (the spectrum goes elsewhere). Plans are made once and kept; `plan_of` may be called by any
// thread, but call it once a batch, not in a loop.
//
// How: the n samples are n / 2 complex numbers as they lie, even ones real and odd ones imaginary.
// A complex transform in place (decimation in frequency, radices 8, 4, 2 and 3 to 13) leaves bin k at
// `plan.place[k]`; then bins k and n / 2 - k are split into the two spectra that they are made of
// (`for_each_pair`). The transform works on one part after another once a part fits into the cache.
#pragma once

#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

#include "simd.h"

namespace augspec {

struct Complex {
    Vec re, im;
};

inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(float s, Complex a) { return {s * a.re, s * a.im}; }
// Times (c + i s).
inline Complex turn(Complex a, float c, float s) {
    return {a.re * c - a.im * s, a.re * s + a.im * c};
}

struct Stage {
    int radix;
    int part;                     // samples of each of the `radix` parts that it leaves
    std::vector<float> twiddles;  // cos and sin of -2 pi j p / (radix * part), by j, then p from 1
};

struct Plan {
    int n;
    std::vector<Stage> stages;
    std::vector<int> place;    // of bin k, in [0, n / 2)
    std::vector<float> split;  // cos and sin of -2 pi k / n, for k to n / 4
};

// Discrete Fourier transforms of a few numbers; SIGN is -1 forwards and 1 backwards.
template <int SIGN>
inline Complex times_i(Complex a) {  // by SIGN * i
    return SIGN > 0 ? Complex{-a.im, a.re} : Complex{a.im, -a.re};
}

template <int SIGN>
inline void small_dft(Complex (&x)[2]) {
    Complex a = x[0];
    x[0] = a + x[1];
    x[1] = a - x[1];
}

template <int SIGN>
inline void small_dft(Complex (&x)[3]) {
    Complex sum = x[1] + x[2];
    Complex diff = 0.8660254037844386f * times_i<SIGN>(x[1] - x[2]);
    Complex mid = x[0] + -0.5f * sum;
    x[0] = x[0] + sum;
    x[1] = mid + diff;
    x[2] = mid - diff;
}

template <int SIGN>
inline void small_dft(Complex (&x)[4]) {
    Complex a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = times_i<SIGN>(x[1] - x[3]);
    x[0] = a + c;
    x[1] = b + d;
    x[2] = a - c;
    x[3] = b - d;
}

template <int SIGN>
inline void small_dft(Complex (&x)[5]) {
    constexpr float c1 = 0.30901699437494745f, c2 = -0.8090169943749473f;
    constexpr float s1 = 0.9510565162951535f, s2 = 0.5877852522924732f;
    Complex a = x[1] + x[4], b = x[2] + x[3];
    Complex d = times_i<SIGN>(x[1] - x[4]), e = times_i<SIGN>(x[2] - x[3]);
    Complex m1 = x[0] + c1 * a + c2 * b, m2 = x[0] + c2 * a + c1 * b;
    Complex n1 = s1 * d + s2 * e, n2 = s2 * d - s1 * e;
    x[0] = x[0] + a + b;
    x[1] = m1 + n1;
    x[4] = m1 - n1;
    x[2] = m2 + n2;
    x[3] = m2 - n2;
}

template <int SIGN>
inline void small_dft(Complex (&x)[8]) {
    constexpr float h = 0.7071067811865476f;
    Complex even[4] = {x[0] + x[4], x[1] + x[5], x[2] + x[6], x[3] + x[7]};
    Complex d1 = x[1] - x[5], d3 = x[3] - x[7];
    // (1 + SIGN i) and (-1 + SIGN i), over the root of two
    Complex odd[4] = {x[0] - x[4], h * (d1 + times_i<SIGN>(d1)), times_i<SIGN>(x[2] - x[6]),
                      h * (times_i<SIGN>(d3) - d3)};
    small_dft<SIGN>(even);
    small_dft<SIGN>(odd);
    for (int i = 0; i < 4; i++) {
        x[2 * i] = even[i];
        x[2 * i + 1] = odd[i];
    }
}

// For the other odd sizes: samples i and RADIX - i go together.
template <int SIGN, int RADIX>
inline void small_dft(Complex (&x)[RADIX]) {
    constexpr int PAIRS = RADIX / 2;
    struct Turns {
        float cos[RADIX], sin[RADIX];
        Turns() {
            for (int i = 0; i < RADIX; i++) {
                cos[i] = float(std::cos(6.283185307179586476925 * i / RADIX));
                sin[i] = float(std::sin(6.283185307179586476925 * i / RADIX));
            }
        }
    };
    static const Turns turns;
    Complex sum[PAIRS], diff[PAIRS], first = x[0];
    for (int i = 0; i < PAIRS; i++) {
        sum[i] = x[i + 1] + x[RADIX - 1 - i];
        diff[i] = times_i<SIGN>(x[i + 1] - x[RADIX - 1 - i]);
        x[0] = x[0] + sum[i];
    }
    for (int p = 1; p <= PAIRS; p++) {
        Complex even = first, odd{Vec{}, Vec{}};
        for (int i = 0; i < PAIRS; i++) {
            const int place = p * (i + 1) % RADIX;
            even = even + turns.cos[place] * sum[i];
            odd = odd + turns.sin[place] * diff[i];
        }
        x[p] = even + odd;
        x[RADIX - p] = even - odd;
    }
}

// One stage on one block. Forwards the twiddles come after the butterflies, backwards before.
template <int SIGN, int RADIX>
inline void butterflies(const Stage& stage, Complex* block) {
    const int part = stage.part;
    const float* w = stage.twiddles.data();
    for (int j = 0; j < part; j++, w += 2 * (RADIX - 1)) {
        Complex x[RADIX];
        for (int q = 0; q < RADIX; q++) x[q] = block[j + q * part];
        if (SIGN > 0 && part > 1)
            for (int p = 1; p < RADIX; p++) x[p] = turn(x[p], w[2 * p - 2], -w[2 * p - 1]);
        small_dft<SIGN>(x);
        block[j] = x[0];
        for (int p = 1; p < RADIX; p++) {
            bool turned = SIGN < 0 && part > 1;
            block[j + p * part] = turned ? turn(x[p], w[2 * p - 2], w[2 * p - 1]) : x[p];
        }
    }
}

template <int SIGN>
inline void run_stage(const Stage& stage, Complex* data, int blocks) {
    const int size = stage.radix * stage.part;
    for (int i = 0; i < blocks; i++, data += size) switch (stage.radix) {
            case 2: butterflies<SIGN, 2>(stage, data); break;
            case 3: butterflies<SIGN, 3>(stage, data); break;
            case 4: butterflies<SIGN, 4>(stage, data); break;
            case 5: butterflies<SIGN, 5>(stage, data); break;
            case 7: butterflies<SIGN, 7>(stage, data); break;
            case 11: butterflies<SIGN, 11>(stage, data); break;
            case 13: butterflies<SIGN, 13>(stage, data); break;
            default: butterflies<SIGN, 8>(stage, data);
        }
}

constexpr int CACHED = 24 * 1024 / int(sizeof(Complex));  // numbers that fit into the first cache

template <int SIGN>
void run_stages(const Plan& plan, size_t first, Complex* data, int blocks) {
    if (first == plan.stages.size()) return;
    const Stage& stage = plan.stages[first];
    const int size = stage.radix * stage.part;
    if (blocks > 1 && blocks * size > CACHED) {
        for (int i = 0; i < blocks; i++) run_stages<SIGN>(plan, first, data + i * size, 1);
        return;
    }
    if (SIGN < 0) run_stage<SIGN>(stage, data, blocks);
    run_stages<SIGN>(plan, first + 1, data, blocks * stage.radix);
    if (SIGN > 0) run_stage<SIGN>(stage, data, blocks);
}

// The complex transform of n / 2 numbers, in place: bin k lands at, or is read from, place[k].
inline void forward(const Plan& plan, Vec* data) {
    run_stages<-1>(plan, 0, reinterpret_cast<Complex*>(data), 1);
}
inline void inverse(const Plan& plan, Vec* data) {
    run_stages<1>(plan, 0, reinterpret_cast<Complex*>(data), 1);
}

// After `forward`: call use(k, a, b) with *twice* the bins k and n / 2 - k of the real transform,
// for k from 0 to n / 4; each bin comes once, but for the middle one, which may come as a and b.
template <class Use>
inline void for_each_pair(const Plan& plan, const Vec* data, Use&& use) {
    const int half = plan.n / 2;
    const Complex* bins = reinterpret_cast<const Complex*>(data);
    const int* place = plan.place.data();
    Complex z = bins[0];
    use(0, Complex{2.0f * (z.re + z.im), Vec{}}, Complex{2.0f * (z.re - z.im), Vec{}});
    for (int k = 1; 2 * k <= half; k++) {
        Complex p = bins[place[k]], q = bins[place[half - k]];
        Complex even{p.re + q.re, p.im - q.im}, odd{p.im + q.im, q.re - p.re};
        Complex turned = turn(odd, plan.split[2 * k], plan.split[2 * k + 1]);
        use(k, even + turned, Complex{even.re - turned.re, turned.im - even.im});
    }
}

inline void real_forward(const Plan& plan, Vec* data, Vec* spectrum) {
    forward(plan, data);
    Complex* out = reinterpret_cast<Complex*>(spectrum);
    for_each_pair(plan, data, [&](int k, Complex a, Complex b) {
        out[k] = 0.5f * a;
        out[plan.n / 2 - k] = 0.5f * b;
    });
}

inline void real_inverse(const Plan& plan, Vec* spectrum, Vec* data) {
    const int half = plan.n / 2;
    const Complex* bins = reinterpret_cast<const Complex*>(spectrum);
    Complex* out = reinterpret_cast<Complex*>(data);
    const float scale = 1.0f / plan.n;
    out[0] = {scale * (bins[0].re + bins[half].re), scale * (bins[0].re - bins[half].re)};
    for (int k = 1; 2 * k <= half; k++) {
        Complex a = bins[k], b = bins[half - k];
        Complex even{a.re + b.re, a.im - b.im}, diff{a.re - b.re, a.im + b.im};
        Complex odd = turn(diff, plan.split[2 * k], -plan.split[2 * k + 1]);
        out[plan.place[k]] = scale * Complex{even.re - odd.im, even.im + odd.re};
        out[plan.place[half - k]] = scale * Complex{even.re + odd.im, odd.re - even.im};
    }
    inverse(plan, data);
}

inline std::vector<int> radices_of(int size) {
    int twos = 0;
    std::vector<int> radices;
    while (size % 2 == 0) size /= 2, twos++;
    if (twos % 3 == 1 && twos >= 4) radices = {4, 4}, twos -= 4;
    if (twos % 3 == 2) radices.push_back(4), twos -= 2;
    if (twos % 3 == 1) radices.push_back(2), twos -= 1;
    radices.insert(radices.begin(), twos / 3, 8);
    for (int radix : {3, 5, 7, 11, 13})
        while (size % radix == 0) size /= radix, radices.push_back(radix);
    if (size != 1) radices.clear();
    return radices;
}

inline std::unique_ptr<Plan> make_plan(int64_t samples) {
    if (samples < 4 || samples % 2 || samples > (1 << 16)) return nullptr;
    const int n = int(samples);
    auto plan = std::make_unique<Plan>();
    plan->n = n;
    const double turn = -6.283185307179586476925;
    int size = n / 2;
    plan->place.assign(size, 0);
    int left = size, run = 1;  // places of bins: digits of k in the order of the stages
    const std::vector<int> radices = radices_of(size);
    if (radices.empty()) return nullptr;
    for (int radix : radices) {
        Stage stage{radix, left / radix, {}};
        for (int j = 0; j < stage.part; j++)
            for (int p = 1; p < radix; p++) {
                double angle = turn * double(int64_t(j) * p % left) / left;
                stage.twiddles.push_back(float(std::cos(angle)));
                stage.twiddles.push_back(float(std::sin(angle)));
            }
        for (int k = 0; k < size; k++) plan->place[k] += k / run % radix * stage.part;
        left = stage.part;
        run *= radix;
        plan->stages.push_back(std::move(stage));
    }
    for (int k = 0; 4 * k <= n; k++) {
        plan->split.push_back(float(std::cos(turn * k / n)));
        plan->split.push_back(float(std::sin(turn * k / n)));
    }
    return plan;
}

// What `make` gives for a size, made once. It is kept in a list that only grows and needs no lock, which
// a fork could leave locked.
template <auto make>
inline auto kept_of(int64_t size) {
    struct Kept {
        int64_t size;
        decltype(make(0)) made;
        Kept* next;
    };
    static std::atomic<Kept*> first{nullptr};
    for (Kept* kept = first.load(); kept; kept = kept->next)
        if (kept->size == size) return kept->made.get();
    Kept* kept = new Kept{size, make(size), first.load()};
    while (!first.compare_exchange_weak(kept->next, kept)) {
    }
    return kept->made.get();
}

inline const Plan* plan_of(int n) { return kept_of<make_plan>(n); }

}  // namespace augspec
