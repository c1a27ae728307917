// What the parts of the simulator's runtime share: cudasim.cpp runs threads, checks.cpp watches what they touch.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>
#include "types.h"

struct Region { // an array that a kernel was given; filled in by the loader
    const char *name;
    char *begin;
    size_t bytes, element, grain;
};

struct Counters { // what a kernel did, summed over its threads; read by the loader
    uint64_t global_loads, global_stores, global_atomics, shared_loads, shared_stores, shared_atomics, barriers, warp_syncs;
    uint64_t global_requests, global_sectors, ideal_sectors, uncoalesced, shared_requests, bank_conflicts, shared_bytes;
};

struct Line { // what one load or store of the text did, summed over warps
    const void *caller;
    uint64_t shared, write, requests, sectors, ideal, conflicts;
};

struct Launch { // filled in by the loader
    void (*entry)(void **args);
    void **args;
    const char *kernel;
    uint32_t grid[3], block[3];
    size_t dynamic_shared;
    int host_threads, watch; // watch: CHECK + COUNT
    const Region *regions;
    int region_count, line_room, *line_count;
    Counters *counters;
    Line *lines;
    char *message;
    size_t message_size;
    const void **failed_at; // the load or store that failed, if it was one
};

enum { CHECK = 1, COUNT = 2 };

struct Block {
    uint3 index;
    dim3 dim, grid;
};

struct Copy { // a cp.async on its way
    void *to;
    const void *from;
    int bytes;
    bool valid;
    int group;
    const void *caller;
};

enum State : uint8_t { ready, at_barrier, at_warp, finished };

struct alignas(64) Thread { // what every switch needs lies in one line of the cache
    uint3 index;            // the first three as in cudasim_Thread (cudasim.h)
    unsigned lane;
    const Block *block;
    void *stack_pointer; // where to go on; null before the first instruction
    char *stack;
    unsigned number, warp;
    int line;
    unsigned mask;
    uint32_t warp_epoch;
    int copy_group;
    void *mine;
    void (*all)(unsigned, void **);
    std::vector<Copy> copies;
};

struct Warp {
    uint32_t runnable, alive, waiting;
};

struct SharedArray {
    const void *tag;
    const char *name;
    char *begin;
    size_t bytes, element, grain; // grain: bytes that are watched as one place
};

struct Watch; // checks.cpp

struct Worker { // one host thread: it runs one block at a time
    const Launch *launch;
    std::atomic<bool> *failed;
    Block block;
    Thread threads[1024];
    State state[1024];
    Warp warps[32];
    uint32_t ready_warps;
    unsigned count, done, arrived, resident;
    int barrier_line, barrier_sum, barrier_result;
    void *host_stack_pointer;
    char *stacks;
    std::vector<char *> free_stacks;
    SharedArray shared[32];
    unsigned shared_count;
    char *arena;
    size_t arena_used;
    uint32_t epoch; // barriers passed by this block
    uint32_t block_number;
    bool fenced; // some thread called __threadfence: blocks may talk to each other
    Counters counters;
    Watch *watch;
};

constexpr size_t ARENA = 256 * 1024;     // more than any GPU's shared memory per block
constexpr size_t RED_ZONE = 128;         // between shared arrays: one row of 32 banks
constexpr size_t STACK = 64 * 1024 + 320; // no power of two: stacks spread over the cache's sets

#if defined(__linux__)
#define CUDASIM_TLS __attribute__((tls_model("initial-exec"))) // one load instead of a call
#else
#define CUDASIM_TLS
#endif
extern "C" __thread const Thread *cudasim_current CUDASIM_TLS;
extern __thread Worker *cudasim_worker CUDASIM_TLS;

// Ends the launch: the message names kernel, block, thread and line, and every fiber is abandoned.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void set_runnable(Worker &, unsigned warp, uint32_t lanes);
void go(Worker &, void **stack_pointer, Thread *next); // leave this stack for that of `next`
struct Place { char text[48]; };
Place place(const uint3 &index);

void watch_launch(Worker &), watch_block(Worker &), watch_warp_done(Worker &, unsigned warp), watch_end(Worker &);
void watch_access(const void *at, size_t bytes, bool write, bool atomic, const void *caller);
