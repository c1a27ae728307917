// A launch: its blocks dealt out to host threads, each with stacks and shared memory of its own.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include "runtime.h"

static std::mutex pool_mutex;
static std::vector<Worker *> pool;

static void *reserve(size_t bytes) {
    void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { fputs("cudasim: out of memory\n", stderr); abort(); }
    return p;
}

static Worker *take_worker() {
    std::lock_guard<std::mutex> lock(pool_mutex);
    if (!pool.empty()) {
        Worker *w = pool.back();
        pool.pop_back();
        return w;
    }
    Worker *w = new Worker();
    w->arena = (char *)reserve(ARENA);
    w->stacks = (char *)reserve(STACK * 1024);
    for (int i = 1023; i >= 0; i--) w->free_stacks.push_back(w->stacks + i * STACK);
    return w;
}

static void give_worker(Worker *w) {
    std::lock_guard<std::mutex> lock(pool_mutex);
    pool.push_back(w);
}

static void run_block(Worker &w, uint64_t number) {
    const Launch &l = *w.launch;
    w.block.index = {(unsigned)(number % l.grid[0]), (unsigned)(number / l.grid[0] % l.grid[1]),
                     (unsigned)(number / l.grid[0] / l.grid[1])};
    w.block_number = (uint32_t)number;
    w.done = w.arrived = w.epoch = w.shared_count = 0;
    w.arena_used = RED_ZONE;
    w.ready_warps = 0;
    for (unsigned i = 0; i < w.count; i++) {
        Thread &t = w.threads[i];
        t.stack_pointer = nullptr;
        t.warp_epoch = 0;
        t.copy_group = 0;
    }
    for (unsigned i = 0; i * 32 < w.count; i++) {
        const unsigned lanes = w.count - i * 32;
        w.warps[i] = {0, lanes >= 32 ? 0xffffffffu : (1u << lanes) - 1, 0};
        set_runnable(w, i, w.warps[i].alive);
    }
    memset(w.state, ready, w.count);
    if (w.watch) watch_block(w);
    go(w, &w.host_stack_pointer, &w.threads[0]);
}

static void work(const Launch &l, std::atomic<uint64_t> &next, uint64_t blocks, std::atomic<bool> &failed, std::mutex &sums) {
    Worker &w = *take_worker();
    const std::vector<char *> stacks = w.free_stacks;
    w.launch = &l;
    w.failed = &failed;
    w.block.dim = dim3(l.block[0], l.block[1], l.block[2]);
    w.block.grid = dim3(l.grid[0], l.grid[1], l.grid[2]);
    w.count = l.block[0] * l.block[1] * l.block[2];
    w.counters = {};
    w.watch = nullptr;
    w.fenced = false;
    for (unsigned i = 0; i < w.count; i++) {
        Thread &t = w.threads[i];
        t.index = {i % l.block[0], i / l.block[0] % l.block[1], i / l.block[0] / l.block[1]};
        t.number = i;
        t.lane = i % 32;
        t.warp = i / 32;
        t.block = &w.block;
    }
    cudasim_worker = &w;
    if (l.watch) watch_launch(w);
    for (uint64_t b; !failed && (b = next++) < blocks;) run_block(w, b);
    if (l.watch) watch_end(w);
    cudasim_current = nullptr;
    cudasim_worker = nullptr;
    if (failed) {
        w.free_stacks = stacks;
        for (Thread &t : w.threads) t.copies.clear();
    }
    if (l.counters) {
        std::lock_guard<std::mutex> lock(sums);
        for (size_t i = 0; i < sizeof(Counters) / 8; i++) ((uint64_t *)l.counters)[i] += ((uint64_t *)&w.counters)[i];
    }
    give_worker(&w);
}

extern "C" __attribute__((visibility("default"))) int cudasim_launch(const Launch *l) {
    const uint64_t blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
    std::atomic<uint64_t> next(0);
    std::atomic<bool> failed(false);
    std::mutex sums;
    const uint64_t size = blocks * l->block[0] * l->block[1] * l->block[2];
    int threads = l->watch || size < 4096 ? 1 : l->host_threads; // a host thread costs some 20 microseconds
    if ((uint64_t)threads > blocks) threads = (int)blocks;
    std::vector<std::thread> others;
    for (int i = 1; i < threads; i++) others.emplace_back([&] { work(*l, next, blocks, failed, sums); });
    work(*l, next, blocks, failed, sums);
    for (std::thread &t : others) t.join();
    return failed;
}
