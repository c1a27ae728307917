// What a GPU's profiler would say of the loads and stores of a watched kernel.
//
// The lanes of a warp that come to the same load for the k-th time make one request. In global memory it costs one
// transaction for every 32-byte sector that it touches. In shared memory 32 banks of 4 bytes serve one word each at a time:
// a request takes as many turns as the busiest bank has different words (8- and 16-byte accesses go by halves and quarters).
#include <set>
#include "watch.h"

void count_access(Worker &w, const Watch::Place &p, const void *at, size_t bytes, bool write, bool atomic, const void *caller) {
    Counters &c = w.counters;
    const Thread &t = *cudasim_current;
    (p.shared ? atomic ? c.shared_atomics : write ? c.shared_stores : c.shared_loads
              : atomic ? c.global_atomics : write ? c.global_stores : c.global_loads)++;
    Watch::WarpLog &log = w.watch->warps[t.warp];
    const void *site = (const char *)caller - write; // an asynchronous copy reads and writes for one caller
    const uint64_t time = log.times[site][t.lane]++;
    Watch::Request &r = log.requests[(uint64_t)(uintptr_t)site << 24 ^ time];
    r.site = site;
    r.caller = caller;
    r.bytes = (uint32_t)bytes;
    r.shared = p.shared;
    r.write = write;
    r.lanes |= 1u << t.lane;
    r.at[t.lane] = (const char *)at;
}

static unsigned sectors(const Watch::Request &r) {
    std::set<uintptr_t> touched;
    for (uint32_t m = r.lanes; m; m &= m - 1) {
        const uintptr_t at = (uintptr_t)r.at[__builtin_ctz(m)];
        for (uintptr_t s = at / 32; s <= (at + r.bytes - 1) / 32; s++) touched.insert(s);
    }
    return (unsigned)touched.size();
}

static unsigned conflicts(const Watch::Request &r, const char *arena) {
    const unsigned lanes_at_once = r.bytes >= 16 ? 8 : r.bytes >= 8 ? 16 : 32;
    unsigned lost = 0;
    for (unsigned first = 0; first < 32; first += lanes_at_once) {
        std::set<size_t> words[32];
        size_t turns = 1;
        for (unsigned lane = first; lane < first + lanes_at_once; lane++) {
            if (!(r.lanes >> lane & 1)) continue;
            const size_t at = r.at[lane] - arena;
            for (size_t word = at / 4; word <= (at + r.bytes - 1) / 4; word++) {
                words[word % 32].insert(word);
                if (words[word % 32].size() > turns) turns = words[word % 32].size();
            }
        }
        lost += (unsigned)turns - 1;
    }
    return lost;
}

void watch_warp_done(Worker &w, unsigned warp) {
    if (!(w.launch->watch & COUNT)) return;
    Watch::WarpLog &log = w.watch->warps[warp];
    Counters &c = w.counters;
    for (const auto &[key, r] : log.requests) {
        Line &line = w.watch->lines[r.site];
        line.caller = r.caller;
        line.shared = r.shared;
        line.write = r.write;
        line.requests++;
        if (r.shared) {
            const unsigned lost = conflicts(r, w.arena);
            c.shared_requests++;
            c.bank_conflicts += lost;
            line.conflicts += lost;
        } else {
            const unsigned s = sectors(r), ideal = (__builtin_popcount(r.lanes) * r.bytes + 31) / 32;
            c.global_requests++;
            c.global_sectors += s;
            c.ideal_sectors += s < ideal ? s : ideal;
            c.uncoalesced += s > ideal + 1; // one more sector is what a shift by less than a sector costs
            line.sectors += s;
            line.ideal += s < ideal ? s : ideal;
        }
    }
    log = {};
}

void report_lines(Worker &w) {
    if (!w.launch->line_count) return;
    int n = 0;
    for (const auto &[caller, line] : w.watch->lines)
        if (n < w.launch->line_room) w.launch->lines[n++] = line;
    *w.launch->line_count = n;
}
