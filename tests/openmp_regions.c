// Counts the regions of OpenMP that a process opens, if it is preloaded. OPENMP is the library.
#define _GNU_SOURCE
#include <dlfcn.h>

long openmp_regions = 0;

void GOMP_parallel(void (*work)(void*), void* data, unsigned threads, unsigned flags) {
    static void (*open)(void (*)(void*), void*, unsigned, unsigned);
    if (!open) open = dlsym(dlopen(OPENMP, RTLD_LAZY | RTLD_NOLOAD), "GOMP_parallel");
    if (threads != 1) __atomic_fetch_add(&openmp_regions, 1, __ATOMIC_RELAXED);
    open(work, data, threads, flags);
}
