// The state of a watched launch: checks.cpp fills the cells, counts.cpp the warps.
#pragma once
#include <array>
#include <cstdio>
#include <unordered_map>
#include "runtime.h"

struct Watch {
    enum Kind : uint8_t { NONE, PLAIN, ATOMIC };
    struct Stamp { // who touched a place, and between which barriers
        uint32_t block, epoch, warp_epoch;
        uint16_t thread;
        Kind kind;
    };
    struct Cell { // the first and the last of those that nothing orders before now
        Stamp writers[2], readers[2];
    };
    struct Place { // an array: given to the kernel, or shared
        const char *name;
        char *begin;
        size_t bytes, element, grain;
        bool shared;
        Cell *cells;
    };
    struct Request { // the same load or store of the lanes of a warp
        std::array<const char *, 32> at;
        uint32_t lanes, bytes;
        const void *site, *caller;
        bool shared, write;
    };
    struct WarpLog {
        std::unordered_map<const void *, std::array<uint32_t, 32>> times; // how often each lane came to a load or store
        std::unordered_map<uint64_t, Request> requests;
    };
    std::vector<Place> places;
    size_t arrays = 0;
    unsigned known_shared = 0;
    Cell *arena = nullptr;
    std::vector<WarpLog> warps;
    std::unordered_map<const void *, Line> lines;
};

void count_access(Worker &, const Watch::Place &, const void *at, size_t bytes, bool write, bool atomic, const void *caller);
void report_lines(Worker &);
