// Parallel loops over examples, by threads that sleep between batches.
//
//     parallel_for(items, threads, [&](int64_t item) { ... });
//
// Calls the function once for each item in [0, items), on the calling thread and on up to
// `threads - 1` others, and returns when all are done. Items are claimed one at a time: a thread
// that other processes hold up holds up one item, and one that wakes late is not waited for. Give
// every example, or a few dozen frames, an item. The function must not throw, and must not call
// `parallel_for` itself. Each loop of the program has a `Balance`, which keeps it on the calling
// thread for a while if others have cost more than they saved.
//
//     float* room = scratch(count);
//
// Gives the calling thread memory for `count` floats, aligned to 64 bytes. It stays valid until
// the thread's next call of `scratch`: ask once an item, for all that the item needs.
//
// After a fork the child has none of its parent's threads: it gets a pool of its own.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace augspec {

inline int64_t nanoseconds(clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Whether a loop is worth more than one thread, from what its runs have shown.
//
// On a busy machine a thread that was woken may lose its processor for milliseconds, with an item
// that it has claimed, and the caller waits for it. So a run saves what the other threads compute,
// and costs what the caller waits for them, and for waking them. Half of the savings count: memory
// may be what limits the loop. When the costs are higher the loop runs alone, for twice as long each
// time, and is then tried again.
class Balance {
  public:
    // Nanoseconds: of saved time, and of the loop's own time alone.
    static constexpr int64_t CREDIT = 1'000'000, MOST_CREDIT = 10'000'000;
    static constexpr int64_t ALONE = 10'000'000, MOST_ALONE = 160'000'000;

    // Whether the next run may have several threads.
    bool shares() const { return alone_.load(std::memory_order_relaxed) <= 0; }

    // Note how long a run took that was not shared.
    void add_alone(int64_t took) { alone_.fetch_sub(took, std::memory_order_relaxed); }

    // Note what a run of several threads saved and cost.
    void add(int64_t saved, int64_t cost) {
        int64_t credit = credit_.load(std::memory_order_relaxed) + saved / 2 - cost;
        int64_t pause = pause_.load(std::memory_order_relaxed);
        if (credit < 0) {
            alone_.store(pause, std::memory_order_relaxed);
            pause = std::min(2 * pause, MOST_ALONE);
            credit = CREDIT;
        } else if (credit > MOST_CREDIT) {
            pause = ALONE;
            credit = MOST_CREDIT;
        }
        credit_.store(credit, std::memory_order_relaxed);
        pause_.store(pause, std::memory_order_relaxed);
    }

  private:
    // Calls of several threads of the program at once may lose a note, which does no harm.
    std::atomic<int64_t> credit_{CREDIT}, alone_{0}, pause_{ALONE};
};

// The processor that the calling thread runs on; -1 where the system does not say.
inline int processor() {
#ifdef __linux__
    return sched_getcpu();
#else
    return -1;
#endif
}

// Move the calling thread away from a processor, if it runs there; false if there is no other.
inline bool leave(int from) {
#ifdef __linux__
    if (from < 0 || sched_getcpu() != from) return true;
    cpu_set_t all, others;
    if (sched_getaffinity(0, sizeof all, &all) != 0) return true;
    others = all;
    CPU_CLR(from, &others);
    if (CPU_COUNT(&others) == 0) return false;
    sched_setaffinity(0, sizeof others, &others);
    sched_setaffinity(0, sizeof all, &all);
#endif
    return true;
}

class Pool {
  public:
    // The one pool of the process. Never destroyed: its threads sleep until the process ends.
    static Pool& instance() {
        static std::once_flag once;
        std::call_once(once, [] {
            current().store(new Pool);
            // What the parent's threads held locked stays locked in the child, so the old pool is
            // left as it is.
            pthread_atfork(nullptr, nullptr, [] { current().store(new Pool); });
        });
        return *current().load();
    }

    void run(int64_t items, int threads, Balance& balance, void (*call)(void*, int64_t),
             void* context) {
        Job job{call, context, items};
        job.room = int(std::min<int64_t>(threads, items)) - 1;
        if (job.room <= 0) {
            job.work();
            return;
        }
        const int64_t start = nanoseconds(CLOCK_MONOTONIC);
        if (!balance.shares()) {
            job.work();
            balance.add_alone(nanoseconds(CLOCK_MONOTONIC) - start);
            return;
        }
        job.processor = processor();
        {
            std::lock_guard<std::mutex> lock(mutex_);
            grow(job.room);
            job.next_job = jobs_;
            jobs_ = &job;
        }
        for (int i = std::min(job.room, workers_.load()); i > 0; i--) wake_.notify_one();
        const int64_t woken = nanoseconds(CLOCK_MONOTONIC);
        job.work();
        const int64_t done = nanoseconds(CLOCK_MONOTONIC);
        std::unique_lock<std::mutex> lock(mutex_);
        Job** link = &jobs_;
        while (*link != &job) link = &(*link)->next_job;
        *link = job.next_job;  // nobody joins any more
        done_.wait(lock, [&] { return job.helpers == 0; });
        balance.add(job.helped, woken - start + nanoseconds(CLOCK_MONOTONIC) - done);
    }

  private:
    struct Job {
        void (*call)(void*, int64_t);
        void* context;
        int64_t items;
        std::atomic<int64_t> next{0};
        int room = 0;     // how many more threads may join
        int helpers = 0;  // threads of the pool at work on it
        int64_t helped = 0;  // nanoseconds that they have computed
        int processor = 0;   // of the caller
        Job* next_job = nullptr;

        Job(void (*call)(void*, int64_t), void* context, int64_t items)
            : call(call), context(context), items(items) {}

        void work() {
            for (int64_t item; (item = next.fetch_add(1)) < items;) call(context, item);
        }
    };

    static std::atomic<Pool*>& current() {
        static std::atomic<Pool*> pool{nullptr};
        return pool;
    }

    // Start threads until there are `count`. Where the system gives no more, fewer do the work.
    void grow(int count) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's own threads
        try {
            for (; workers_ < count; workers_++) std::thread([this] { serve(); }).detach();
        } catch (const std::system_error&) {
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void serve() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            Job* job = nullptr;
            wake_.wait(lock, [&] { return (job = open_job()) != nullptr; });
            job->room--;
            if (!leave(job->processor)) continue;
            job->helpers++;
            lock.unlock();
            const int64_t before = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
            job->work();
            const int64_t helped = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - before;
            lock.lock();
            job->helped += helped;
            if (--job->helpers == 0) done_.notify_all();
        }
    }

    Job* open_job() {
        for (Job* job = jobs_; job; job = job->next_job)
            if (job->room > 0 && job->next.load() < job->items) return job;
        return nullptr;
    }

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::atomic<int> workers_{0};
    Job* jobs_ = nullptr;
};

template <class Work>
void parallel_for(int64_t items, int threads, Balance& balance, Work&& work) {
    auto call = [](void* context, int64_t item) {
        (*static_cast<std::remove_reference_t<Work>*>(context))(item);
    };
    Pool::instance().run(items, threads, balance, call,
                         const_cast<void*>(static_cast<const void*>(&work)));
}

template <class Work>
void parallel_for(int64_t items, int threads, Work&& work) {
    static Balance balance;  // of this loop: `Work` is a type of its own
    parallel_for(items, threads, balance, work);
}

inline float* scratch(size_t count) {
    struct Room {
        void* data = nullptr;
        size_t size = 0;
        ~Room() { std::free(data); }
    };
    thread_local Room room;
    if (count > room.size) {
        std::free(room.data);
        room.size = 0;
        if (posix_memalign(&room.data, 64, count * sizeof(float)) != 0) std::abort();
        room.size = count;
    }
    return static_cast<float*>(room.data);
}

}  // namespace augspec
