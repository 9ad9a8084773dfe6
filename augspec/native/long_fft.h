// Fourier transforms of one long signal, LANES parts of it side by side.
//
//     const LongPlan* plan = long_plan_of(size);  // null unless both factors of `size` have a plan
//     long_forward(*plan, numbers, middle, numbers, room);
//
// transforms `size` complex numbers, in place or elsewhere. Backwards it is the same with the real
// and the imaginary parts exchanged, over `size`. The parts lie apart, see `Apart`, each with room for
// LANES numbers behind; `middle` has `plan.between()` of each, and `room` is `plan.room()` vectors.
//
// How: with the numbers as a matrix of rows and columns, the columns are transformed, turned, and the
// rows transformed. Bin k + rows * l is bin l of row k.
//
// Bailey, "FFTs in external or hierarchical memory", Journal of Supercomputing 4, 1990.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "fft.h"
#include "rows.h"

namespace augspec {

// Real and imaginary parts of complex numbers.
struct Apart {
    float *re, *im;
};

inline Complex load(Apart from, int64_t at) { return {load(from.re + at), load(from.im + at)}; }
inline void store(Apart to, int64_t at, Complex value) {
    store(to.re + at, value.re);
    store(to.im + at, value.im);
}
inline Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// e to the power of -2 pi i k / size for all k, as a product: that of the last multiple of LANES, and
// that of what is left.
class Turns {
  public:
    explicit Turns(int64_t size) : size_(size) {}

    // Add those of LANES numbers that follow one another, from `first` times `step` on.
    void add(int64_t first, int64_t step) {
        const double angle = angle_of(first * step);
        starts_.push_back(float(std::cos(angle)));
        starts_.push_back(float(std::sin(angle)));
    }

    // Add what is left, for a step.
    void add_step(int64_t step) {
        Complex turn;
        for (int lane = 0; lane < LANES; lane++) {
            turn.re[lane] = float(std::cos(angle_of(lane * step)));
            turn.im[lane] = float(std::sin(angle_of(lane * step)));
        }
        steps_.push_back(turn);
    }

    Complex at(int64_t start, int64_t step) const {
        return augspec::turn(steps_[size_t(step)], starts_[size_t(2 * start)], starts_[size_t(2 * start + 1)]);
    }

  private:
    double angle_of(int64_t k) const { return -6.283185307179586476925 * double(k % size_) / double(size_); }

    int64_t size_;
    std::vector<float> starts_;
    std::vector<Complex> steps_;
};

struct LongPlan {
    int64_t size, rows, columns;
    const Plan *of_column, *of_row;
    Turns between_both;  // by group of columns, then bin of a column; steps by bin
    Turns of_reals;      // of 2 * size, by group of bins

    int64_t width() const { return whole_vectors(columns); }
    size_t between() const { return size_t(rows * width()); }
    size_t room() const { return size_t(2 * whole_vectors(std::max(rows, columns))); }
};

// Where group g of LANES of `count` rows or columns begins: the last one overlaps the one before.
inline int64_t group_of(int64_t g, int64_t count) {
    return std::max<int64_t>(0, std::min(g * LANES, count - LANES));
}

inline void long_forward(const LongPlan& plan, Apart from, Apart middle, Apart to, Vec* room) {
    Complex* data = reinterpret_cast<Complex*>(room);
    const int64_t rows = plan.rows, columns = plan.columns, width = plan.width();
    for (int64_t g = 0; g * LANES < columns; g++) {
        const int64_t column = group_of(g, columns);
        for (int64_t row = 0; row < rows; row++) data[row] = load(from, row * columns + column);
        forward(*plan.of_column, room);
        for (int64_t k = 0; k < rows; k++)
            store(middle, k * width + column,
                  data[plan.of_column->place[size_t(k)]] * plan.between_both.at(g * rows + k, k));
    }
    for (int64_t g = 0; g * LANES < rows; g++) {
        const int64_t row = group_of(g, rows);
        for (int64_t column = 0; column < columns; column += LANES) {
            Vec re[LANES], im[LANES];
            for (int64_t lane = 0; lane < LANES; lane++) {
                const int64_t place = std::min(row + lane, rows - 1) * width + column;
                re[lane] = load(middle.re + place);
                im[lane] = load(middle.im + place);
            }
            transpose(re);
            transpose(im);
            for (int64_t lane = 0; lane < LANES; lane++) data[column + lane] = {re[lane], im[lane]};
        }
        forward(*plan.of_row, room);
        for (int64_t l = 0; l < columns; l++) {
            const Complex bin = data[plan.of_row->place[size_t(l)]];
            store_some(to.re + l * rows + row, bin.re, rows - row);
            store_some(to.im + l * rows + row, bin.im, rows - row);
        }
    }
}

inline std::unique_ptr<LongPlan> make_long_plan(int64_t size) {
    int64_t rows = 1;  // the divisor below the root that is nearest to it
    for (int64_t i = 2; i * i <= size; i++)
        if (size % i == 0) rows = i;
    const int64_t columns = size / rows;
    if (rows < 2 || columns > (1 << 15)) return nullptr;
    auto plan = std::make_unique<LongPlan>(LongPlan{
        size, rows, columns, plan_of(int(2 * rows)), plan_of(int(2 * columns)), Turns(size), Turns(2 * size)});
    if (!plan->of_column || !plan->of_row) return nullptr;
    for (int64_t g = 0; g * LANES < columns; g++)
        for (int64_t k = 0; k < rows; k++) plan->between_both.add(group_of(g, columns), k);
    for (int64_t k = 0; k < rows; k++) plan->between_both.add_step(k);
    for (int64_t k = 0; k <= size; k += LANES) plan->of_reals.add(k, 1);
    plan->of_reals.add_step(1);
    return plan;
}

inline const LongPlan* long_plan_of(int64_t size) { return kept_of<make_long_plan>(size); }

}  // namespace augspec
