// The threads of a block: one fiber each, barriers, warp collectives, shared memory. launch.cpp deals out the blocks.
//
// A thread runs until it has to wait; then the next thread of its warp that can run goes on, then the next warp. A thread
// that never waits needs no stack of its own: the next one starts where it ended.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include "fiber.h"
#include "runtime.h"

__thread const Thread *cudasim_current = nullptr;
__thread Worker *cudasim_worker = nullptr;

static std::mutex message_mutex;
static constexpr uint64_t CANARY = 0x5ca1ab1e0ddba11ull;

// -- errors ------------------------------------------------------------------------------------------------------------------

Place place(const uint3 &i) {
    Place p;
    snprintf(p.text, sizeof p.text, "(%u,%u,%u)", i.x, i.y, i.z);
    return p;
}

void fail(const char *format, ...) {
    Worker &w = *cudasim_worker;
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    {
        std::lock_guard<std::mutex> lock(message_mutex);
        if (!w.failed->exchange(true))
            snprintf(w.launch->message, w.launch->message_size, "kernel %s, block %s, thread %s: %s", w.launch->kernel,
                     place(w.block.index).text, place(cudasim_current->index).text, text);
    }
    void *nowhere;
    cudasim_switch(&nowhere, w.host_stack_pointer);
    abort();
}

extern "C" void cudasim_fail(const char *what, int line) { line ? fail("%s (line %d)", what, line) : fail("%s", what); }

// -- the scheduler -------------------------------------------------------------------------------------------------------------

void set_runnable(Worker &w, unsigned warp, uint32_t lanes) {
    w.warps[warp].runnable |= lanes;
    if (w.warps[warp].runnable) w.ready_warps |= 1u << warp;
}

static void stop_running(Worker &w, Thread &t) {
    Warp &warp = w.warps[t.warp];
    warp.runnable &= ~(1u << t.lane);
    if (!warp.runnable) w.ready_warps &= ~(1u << t.warp);
}

static uint32_t first_from(uint32_t bits, unsigned i) { // the lowest bit from i upwards, else the lowest of all
    const uint32_t upper = bits & ~((1u << i) - 1);
    return __builtin_ctz(upper ? upper : bits);
}

static Thread *next_thread(Worker &w, const Thread &after) {
    if (!w.ready_warps) return nullptr;
    const unsigned warp = first_from(w.ready_warps, after.warp);
    return &w.threads[warp * 32 + first_from(w.warps[warp].runnable, warp == after.warp ? after.lane : 0)];
}

[[noreturn]] static void deadlock(Worker &w) { // nobody can run, somebody waits
    const Thread *a = nullptr, *b = nullptr;
    for (unsigned i = 0; i < w.count; i++) {
        const Thread &t = w.threads[i];
        if (w.state[i] == at_warp && !a) a = &t;
        if (w.state[i] == at_barrier && !b) b = &t;
    }
    cudasim_current = a ? a : b;
    if (a && b)
        fail("divergent: waits for the lanes of mask 0x%08x at line %d, while thread %s waits at the barrier of line %d",
             a->mask, a->line, place(b->index).text, b->line);
    fail("divergent: waits at line %d for %s that other threads never reach", cudasim_current->line,
         a ? "a warp operation" : "a barrier");
}

static void run_fiber();

void go(Worker &w, void **stack_pointer, Thread *next) {
    cudasim_current = next;
    if (!next->stack_pointer) {
        next->stack = w.free_stacks.back();
        w.free_stacks.pop_back();
        *(uint64_t *)next->stack = CANARY;
        next->stack_pointer = prepare_stack(next->stack + STACK - 64, run_fiber);
    }
    cudasim_switch(stack_pointer, next->stack_pointer);
}

static void wait(Worker &w, Thread &me) {
    stop_running(w, me);
    Thread *next = next_thread(w, me);
    if (!next) deadlock(w);
    go(w, &me.stack_pointer, next);
}

static void settle_warp(Worker &w, unsigned warp);

static void finish(Worker &w, Thread &me) {
    if (*(uint64_t *)me.stack != CANARY) fail("the stack of %zu bytes overflowed", STACK);
    if (!me.copies.empty()) {
        me.copies.clear();
        fail("returned with asynchronous copies that it did not wait for");
    }
    w.state[me.number] = finished;
    w.done++;
    stop_running(w, me);
    Warp &warp = w.warps[me.warp];
    warp.alive &= ~(1u << me.lane);
    if (w.arrived) {
        for (unsigned i = 0; i < w.count; i++)
            if (w.state[i] == at_barrier)
                fail("divergent barrier: returned, while thread %s waits at the barrier of line %d",
                     place(w.threads[i].index).text, w.threads[i].line);
    }
    if (warp.waiting) settle_warp(w, me.warp);
    if (w.watch && !warp.alive) watch_warp_done(w, me.warp);
}

static void run_fiber() { // the bottom of every stack
    Worker &w = *cudasim_worker;
    for (;;) {
        Thread *me = const_cast<Thread *>(cudasim_current);
        w.launch->entry(w.launch->args);
        finish(w, *me);
        Thread *next = next_thread(w, *me);
        if (!next && w.done < w.count) deadlock(w);
        if (next && !next->stack_pointer) { // starts on this stack
            next->stack = me->stack;
            next->stack_pointer = me->stack; // any value: it has begun
            cudasim_current = next;
            continue;
        }
        w.free_stacks.push_back(me->stack);
        void *nowhere;
        cudasim_current = next;
        cudasim_switch(&nowhere, next ? next->stack_pointer : w.host_stack_pointer);
    }
}

// -- barriers and collectives ------------------------------------------------------------------------------------------------

extern "C" int cudasim_barrier(int line, int value, int kind) {
    Worker &w = *cudasim_worker;
    Thread &me = const_cast<Thread &>(*cudasim_current);
    w.counters.barriers++;
    me.line = line;
    if (w.done) fail("divergent barrier: waits at line %d, but %u threads of the block have returned", line, w.done);
    if (!w.arrived) {
        w.barrier_line = line;
        w.barrier_sum = 0;
    } else if (w.barrier_line != line) {
        for (unsigned i = 0; i < w.count; i++)
            if (w.state[i] == at_barrier)
                fail("divergent barrier: waits at line %d, while thread %s waits at the barrier of line %d", line,
                     place(w.threads[i].index).text, w.barrier_line);
    }
    w.barrier_sum += value;
    if (++w.arrived < w.count) {
        w.state[me.number] = at_barrier;
        wait(w, me);
    } else { // the last one opens the barrier; the first goes on
        const int all = w.barrier_sum == (int)w.count, any = w.barrier_sum > 0;
        w.barrier_result = kind == 1 ? w.barrier_sum : kind == 2 ? all : any;
        w.arrived = 0;
        w.epoch++;
        memset(w.state, ready, w.count);
        for (unsigned i = 0; i * 32 < w.count; i++) set_runnable(w, i, w.warps[i].alive);
        if (w.count > 1) go(w, &me.stack_pointer, &w.threads[0]);
    }
    return w.barrier_result;
}

// The group of `me` is complete: work for all, and let them go on.
static void complete(Worker &w, Thread &me, uint32_t active) {
    Thread *threads = &w.threads[me.warp * 32];
    void *lanes[32];
    for (uint32_t m = active; m; m &= m - 1) {
        Thread &t = threads[__builtin_ctz(m)];
        lanes[t.lane] = t.mine;
        w.state[t.number] = ready;
        if (!me.all) t.warp_epoch++;
    }
    if (me.all) me.all(active, lanes);
    w.warps[me.warp].waiting &= ~active;
    set_runnable(w, me.warp, active);
}

static bool is_complete(Worker &w, const Thread &me, uint32_t *active) {
    const Warp &warp = w.warps[me.warp];
    *active = me.mask & warp.alive;
    if ((warp.waiting & *active) != *active) return false;
    const Thread *threads = &w.threads[me.warp * 32];
    for (uint32_t m = *active; m; m &= m - 1) {
        const Thread &t = threads[__builtin_ctz(m)];
        if (t.mask != me.mask || t.line != me.line || t.all != me.all)
            fail("divergent warp: line %d with mask 0x%08x, while thread %s is at line %d with mask 0x%08x", me.line, me.mask,
                 place(t.index).text, t.line, t.mask);
    }
    return true;
}

static void settle_warp(Worker &w, unsigned warp) { // a lane has returned: who waited only for it?
    for (uint32_t m = w.warps[warp].waiting; m;) {
        Thread &t = w.threads[warp * 32 + __builtin_ctz(m)];
        uint32_t active;
        if (is_complete(w, t, &active)) complete(w, t, active);
        m &= ~(t.mask | 1u << t.lane);
    }
}

extern "C" void cudasim_warp(unsigned mask, void *mine, void (*all)(unsigned, void **), int line) {
    Worker &w = *cudasim_worker;
    Thread &me = const_cast<Thread &>(*cudasim_current);
    w.counters.warp_syncs++;
    if (!(mask >> me.lane & 1)) fail("line %d: mask 0x%08x does not hold the calling lane %u", line, mask, me.lane);
    me.mask = mask;
    me.mine = mine;
    me.all = all;
    me.line = line;
    w.warps[me.warp].waiting |= 1u << me.lane;
    uint32_t active;
    if (is_complete(w, me, &active)) return complete(w, me, active);
    w.state[me.number] = at_warp;
    wait(w, me);
}

extern "C" void cudasim_syncwarp(int line, unsigned mask) { cudasim_warp(mask, nullptr, nullptr, line); }

// -- shared memory -----------------------------------------------------------------------------------------------------------

static char *allocate_shared(Worker &w, const void *tag, const char *name, size_t bytes, size_t element) {
    const size_t room = (bytes + 127) / 128 * 128 + RED_ZONE;
    if (w.arena_used + room > ARENA || w.shared_count == 32) fail("more shared memory than any GPU has, at %s", name);
    char *begin = w.arena + w.arena_used;
    w.arena_used += room;
    w.shared[w.shared_count++] = {tag, name, begin, bytes, element, element % 4 ? 1u : 4u};
    w.counters.shared_bytes += bytes;
    memset(begin, 0xff, bytes); // a NaN in every floating type
    return begin;
}

extern "C" void *cudasim_shared(const void *tag, const char *name, size_t bytes, size_t element) {
    Worker &w = *cudasim_worker;
    for (unsigned i = 0; i < w.shared_count; i++)
        if (w.shared[i].tag == tag) return w.shared[i].begin;
    return allocate_shared(w, tag, name, bytes, element);
}

extern "C" void *cudasim_dynamic_shared(size_t element) {
    static char tag;
    return cudasim_shared(&tag, "dynamic shared memory", cudasim_worker->launch->dynamic_shared, element);
}

extern "C" void cudasim_copy_async(void *shared, const void *global, int bytes, int valid) {
    Thread &me = const_cast<Thread &>(*cudasim_current);
    if ((uintptr_t)shared % bytes || (valid && (uintptr_t)global % bytes))
        fail("an asynchronous copy of %d bytes between addresses that are not aligned to them", bytes);
    me.copies.push_back({shared, global, bytes, valid != 0, me.copy_group, __builtin_return_address(0)});
}

extern "C" void cudasim_copy_commit() { const_cast<Thread *>(cudasim_current)->copy_group++; }

extern "C" void cudasim_copy_wait(int pending) {
    Thread &me = const_cast<Thread &>(*cudasim_current);
    const int until = me.copy_group - pending; // groups below have arrived
    size_t kept = 0;
    for (Copy &c : me.copies) {
        if (c.group >= until) {
            me.copies[kept++] = c;
            continue;
        }
        if (cudasim_worker->watch) {
            if (c.valid) watch_access(c.from, c.bytes, false, false, c.caller);
            watch_access(c.to, c.bytes, true, false, c.caller);
        }
        c.valid ? memcpy(c.to, c.from, c.bytes) : memset(c.to, 0, c.bytes);
    }
    me.copies.resize(kept);
}

extern "C" void cudasim_fence() {
    cudasim_worker->fenced = true;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
