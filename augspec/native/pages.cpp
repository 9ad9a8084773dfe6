// Memory of results.

#include <sys/mman.h>
#include <unistd.h>

#include "export.h"

#include <cstdint>

// Ask for large pages for memory that is written to next: the system hands out new memory by the
// page, and 4,096 small ones for 16 MB take longer than most kernels.
AUGSPEC_EXPORT void augspec_large_pages(float* out, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
    const uintptr_t first = (uintptr_t(out) + page - 1) / page * page;
    const uintptr_t last = (uintptr_t(out) + uintptr_t(bytes)) / page * page;
    if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
    (void)out, (void)bytes;
#endif
}
