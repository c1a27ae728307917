// Every load and store of a watched kernel, checked: inside an array? written before it is read? ordered by a barrier?
//
// Two accesses to the same place race unless one thread makes both, both are atomic, both only read, or something orders
// them: a __syncthreads() between them (same block), a __syncwarp() between them (same warp). Every place remembers its
// last writers and readers, so a race is found even where the simulator's own order happens to give the right result.
#include <cstdlib>
#include <dlfcn.h>
#include "watch.h"

static Watch::Stamp stamp_now(const Worker &w, const Thread &t, bool atomic) {
    return {w.block_number + 1, w.epoch, t.warp_epoch, (uint16_t)t.number, atomic ? Watch::ATOMIC : Watch::PLAIN};
}

static bool ordered(const Worker &w, const Watch::Stamp &then, const Watch::Stamp &now, bool shared) {
    if (!then.kind) return true;
    if (then.block != now.block) return shared || w.fenced;
    if (then.thread == now.thread || then.epoch != now.epoch) return true;
    return then.thread / 32 == now.thread / 32 && then.warp_epoch != now.warp_epoch;
}

struct Named { // an element of an array, for messages
    char text[160];
};

static Named element(const char *name, const char *begin, size_t size, const void *at) {
    Named n;
    snprintf(n.text, sizeof n.text, "%s[%zu]", name, ((const char *)at - begin) / size);
    return n;
}

[[noreturn]] static void race(const Worker &w, const Watch::Place &p, const void *at, const char *verb,
                              const Watch::Stamp &then, const char *was) {
    const unsigned i = then.thread, bx = w.block.dim.x, by = w.block.dim.y;
    const uint3 thread = {i % bx, i / bx % by, i / bx / by};
    const unsigned b = then.block - 1, gx = w.block.grid.x, gy = w.block.grid.y;
    const uint3 block = {b % gx, b / gx % gy, b / gx / gy};
    fail("race: %s %s, which thread %s of block %s %s, without a barrier in between", verb,
         element(p.name, p.begin, p.element, at).text, place(thread).text, place(block).text, was);
}

// Keeps `now` among the two stamps of its kind: the first that nothing has ordered since, and the last.
static void remember(const Worker &w, Watch::Stamp (&stamps)[2], const Watch::Stamp &now, bool shared) {
    const bool over = ordered(w, stamps[0], now, shared);
    stamps[over ? 0 : 1] = now;
    if (over) stamps[1] = {};
}

static void check_grain(Worker &w, const Watch::Place &p, Watch::Cell &cell, const void *at, bool write, bool atomic) {
    const Watch::Stamp now = stamp_now(w, *cudasim_current, atomic);
    if (p.shared && !write && cell.writers[0].block != now.block)
        fail("uninitialised: reads %s, which no thread of this block has written yet", element(p.name, p.begin, p.element, at).text);
    const char *verb = atomic ? "changes" : write ? "writes" : "reads";
    for (const Watch::Stamp &then : cell.writers)
        if (!ordered(w, then, now, p.shared) && !(atomic && then.kind == Watch::ATOMIC))
            race(w, p, at, verb, then, then.kind == Watch::ATOMIC ? "changed atomically" : "wrote");
    if (write) {
        for (const Watch::Stamp &then : cell.readers)
            if (!ordered(w, then, now, p.shared)) race(w, p, at, verb, then, "read");
        remember(w, cell.writers, now, p.shared);
    } else {
        remember(w, cell.readers, now, p.shared);
    }
}

static bool is_own(const Worker &w, const void *at) { // not the kernel's: local variables, threadIdx and its kin
    const char *p = (const char *)at;
    return (p >= w.stacks && p < w.stacks + STACK * 1024) || (p >= (const char *)&w && p < (const char *)(&w + 1)) ||
           p == (const char *)&cudasim_current;
}

[[noreturn]] static void out_of_bounds(const Worker &w, const void *at, size_t bytes, const char *verb) {
    const char *p = (const char *)at, *name = nullptr;
    size_t elements = 0;
    long long index = 0, nearest = 1 << 16;
    auto consider = [&](const char *n, const char *begin, size_t size, size_t element) {
        const long long before = begin - p, behind = p + bytes - (begin + size), distance = before > behind ? before : behind;
        if (distance >= nearest) return;
        nearest = distance;
        name = n;
        elements = size / element;
        index = p >= begin ? (p - begin) / (long long)element : -((begin - p + (long long)element - 1) / (long long)element);
    };
    for (int i = 0; i < w.launch->region_count; i++) {
        const Region &r = w.launch->regions[i];
        consider(r.name, r.begin, r.bytes, r.element);
    }
    for (unsigned i = 0; i < w.shared_count; i++) consider(w.shared[i].name, w.shared[i].begin, w.shared[i].bytes, w.shared[i].element);
    if (!name) fail("out of bounds: %s %zu bytes at %s, far from every array", verb, bytes, p < (char *)4096 ? "a null pointer" : "an address");
    fail("out of bounds: %s %s[%lld]; %s has %zu elements", verb, name, index, name, elements);
}

static const Watch::Place *find(Worker &w, const void *at, size_t bytes) {
    Watch &watch = *w.watch;
    const char *p = (const char *)at;
    for (Watch::Place &place : watch.places)
        if (p >= place.begin && p + bytes <= place.begin + place.bytes) return &place;
    for (unsigned i = watch.known_shared; i < w.shared_count; i++) { // declared since the last look
        const SharedArray &s = w.shared[i];
        watch.places.push_back({s.name, s.begin, s.bytes, s.element, s.grain, true, watch.arena + (s.begin - w.arena)});
        watch.known_shared++;
        if (p >= s.begin && p + bytes <= s.begin + s.bytes) return &watch.places.back();
    }
    return nullptr;
}

void watch_access(const void *at, size_t bytes, bool write, bool atomic, const void *caller) {
    if (!cudasim_current || is_own(*cudasim_worker, at)) return;
    Worker &w = *cudasim_worker;
    const bool check = w.launch->watch & CHECK;
    *w.launch->failed_at = caller;
    const Watch::Place *p = find(w, at, bytes);
    if (!p) {
        Dl_info info;
        if (dladdr(at, &info)) return; // a constant table of the text
        if (check) out_of_bounds(w, at, bytes, atomic ? "changes" : write ? "writes" : "reads");
        return;
    }
    if (check) {
        const size_t first = (const char *)at - p->begin;
        for (size_t i = first / p->grain; i <= (first + bytes - 1) / p->grain; i++)
            check_grain(w, *p, p->cells[i], p->begin + i * p->grain, write, atomic);
    }
    if (w.launch->watch & COUNT) count_access(w, *p, at, bytes, write, atomic, caller);
    *w.launch->failed_at = nullptr;
}

extern "C" void cudasim_note_atomic(const void *at, size_t bytes) {
    watch_access(at, bytes, true, true, __builtin_return_address(0));
}

void watch_launch(Worker &w) {
    w.watch = new Watch();
    const bool check = w.launch->watch & CHECK;
    for (int i = 0; i < w.launch->region_count; i++) {
        const Region &r = w.launch->regions[i];
        Watch::Cell *cells = check ? (Watch::Cell *)calloc(r.bytes / r.grain + 1, sizeof(Watch::Cell)) : nullptr;
        w.watch->places.push_back({r.name, r.begin, r.bytes, r.element, r.grain, false, cells});
    }
    w.watch->arrays = w.watch->places.size();
    w.watch->arena = check ? (Watch::Cell *)calloc(ARENA, sizeof(Watch::Cell)) : nullptr;
}

void watch_block(Worker &w) { // another block, other shared arrays; cells of old blocks are told by their stamp
    w.watch->places.resize(w.watch->arrays);
    w.watch->known_shared = 0;
    w.watch->warps.clear();
    w.watch->warps.resize((w.count + 31) / 32);
}

void watch_end(Worker &w) {
    Watch &watch = *w.watch;
    report_lines(w);
    for (size_t i = 0; i < watch.arrays; i++) free(watch.places[i].cells);
    free(watch.arena);
    delete w.watch;
    w.watch = nullptr;
}
