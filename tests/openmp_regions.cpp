// Counts the regions of OpenMP that a process opens, if it is preloaded. OPENMP is the library.
#include <dlfcn.h>

extern "C" {

long openmp_regions = 0;

void GOMP_parallel(void (*work)(void*), void* data, unsigned threads, unsigned flags) {
    using Open = void (*)(void (*)(void*), void*, unsigned, unsigned);
    static const Open open = Open(dlsym(dlopen(OPENMP, RTLD_LAZY | RTLD_NOLOAD), "GOMP_parallel"));
    if (threads != 1) __atomic_fetch_add(&openmp_regions, 1, __ATOMIC_RELAXED);
    open(work, data, threads, flags);
}
}
