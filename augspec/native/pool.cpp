// What the pool decides and does, for tests.

#include "export.h"
#include "pool.h"

// Whether each of the runs of a loop is shared among threads, given what each saves and costs when it
// is, and how long it takes when it is not, in nanoseconds.
AUGSPEC_EXPORT void augspec_balance(const int64_t* saved, const int64_t* costs, const int64_t* alone,
                                    int64_t runs, int64_t* shared) {
    augspec::Balance balance;
    for (int64_t r = 0; r < runs; r++) {
        shared[r] = balance.shares();
        if (shared[r])
            balance.add(saved[r], costs[r]);
        else
            balance.add_alone(alone[r]);
    }
}

// The processor before and after the calling thread leaves it, and whether it could.
AUGSPEC_EXPORT void augspec_leave(int64_t* processors) {
    processors[0] = augspec::processor();
    processors[2] = augspec::leave(int(processors[0]));
    processors[1] = augspec::processor();
}
