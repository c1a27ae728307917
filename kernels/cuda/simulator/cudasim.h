// CUDA C on the host: the built-ins of a kernel, for the machine's own C++ compiler (C++17, g++ or clang++).
// One fiber per CUDA thread; a barrier is a switch to the next thread that can run (cudasim.cpp).
// The loader turns `__shared__ V name[n];` into CUDASIM_SHARED(V, name, [n]); every other text is compiled as it stands.
#pragma once
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <type_traits>
#include "types.h"

// -- what the runtime gives ----------------------------------------------------------------------------------------------
struct cudasim_Block {
    uint3 index;
    dim3 dim, grid;
};

struct cudasim_Thread {
    uint3 index;
    unsigned lane;
    const cudasim_Block *block;
};

#if defined(__linux__)
#define CUDASIM_TLS __attribute__((tls_model("initial-exec"))) // one load instead of a call
#else
#define CUDASIM_TLS
#endif

extern "C" {
extern __thread const cudasim_Thread *cudasim_current CUDASIM_TLS; // the CUDA thread that this host thread plays
int cudasim_barrier(int line, int value, int kind);   // kind 0 plain, 1 count, 2 and, 3 or
void cudasim_warp(unsigned mask, void *mine, void (*all)(unsigned active, void **lanes), int line);
void cudasim_syncwarp(int line, unsigned mask = 0xffffffffu);
void *cudasim_shared(const void *tag, const char *name, size_t bytes, size_t element);
void *cudasim_dynamic_shared(size_t element);
void cudasim_copy_async(void *shared, const void *global, int bytes, int valid);
void cudasim_copy_commit(void);
void cudasim_copy_wait(int pending);
void cudasim_fail(const char *what, int line);
void cudasim_note_atomic(const void *at, size_t bytes);
void cudasim_fence(void);
}

#define threadIdx (cudasim_current->index)
#define blockIdx (cudasim_current->block->index)
#define blockDim (cudasim_current->block->dim)
#define gridDim (cudasim_current->block->grid)
static constexpr int warpSize = 32;

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __shared__ static_assert(false, "write `__shared__ V name[n];` or DYNAMIC_SHARED(V, name)");
#define __align__(n) alignas(n)

// -- shared memory ---------------------------------------------------------------------------------------------------------
template <class A, int id> struct cudasim_Tag { static inline char here; };
template <class A> constexpr size_t cudasim_element = sizeof(std::remove_all_extents_t<A>);

template <class A, int id> inline A &cudasim_shared_as(const char *name) {
    return *(A *)cudasim_shared(&cudasim_Tag<A, id>::here, name, sizeof(A), cudasim_element<A>);
}

#define CUDASIM_SHARED(type, name, ...) \
    typedef type cudasim_type_##name __VA_ARGS__; \
    auto &name = cudasim_shared_as<cudasim_type_##name, __COUNTER__>(#name);
#define DYNAMIC_SHARED(type, name) type *name = (type *)cudasim_dynamic_shared(cudasim_element<type>)

// -- barriers and warps ------------------------------------------------------------------------------------------------------
#define __syncthreads() ((void)cudasim_barrier(__LINE__, 0, 0))
#define __syncthreads_count(p) cudasim_barrier(__LINE__, !!(p), 1)
#define __syncthreads_and(p) cudasim_barrier(__LINE__, !!(p), 2)
#define __syncthreads_or(p) cudasim_barrier(__LINE__, !!(p), 3)
#define __syncwarp(...) cudasim_syncwarp(__LINE__, ##__VA_ARGS__)
#include "warp.h"

// -- atomics: real ones, since blocks run on several host threads --------------------------------------------------------------
#include "atomics.h"

static inline void __threadfence() { cudasim_fence(); }
static inline void __threadfence_block() {}
static inline void __trap() { cudasim_fail("__trap()", 0); }

// -- arithmetic --------------------------------------------------------------------------------------------------------------
#include "arithmetic.h"
#include "async.h"

// -- the entry that the loader calls; its own reads are none of the kernel's ----------------------------------------------------
#define CUDASIM_UNWATCHED __attribute__((no_sanitize("thread")))

template <class A> CUDASIM_UNWATCHED inline A &cudasim_argument(void *p) { return *(A *)p; }

template <class... A, size_t... I>
CUDASIM_UNWATCHED inline void cudasim_apply(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
    kernel(cudasim_argument<std::remove_const_t<A>>(args[I])...);
}

template <class... A> CUDASIM_UNWATCHED inline void cudasim_call(void (*kernel)(A...), void **args) {
    cudasim_apply(kernel, args, std::index_sequence_for<A...>{});
}

#define CUDASIM_ENTRY(kernel) \
    extern "C" __attribute__((visibility("default"))) CUDASIM_UNWATCHED void cudasim_entry_##kernel(void **args) { \
        cudasim_call(kernel, args); \
    }
