// What every .cu file of this column begins with. T is the floating type that the loader chose (-DREAL=float or double).
// Wrappers here have two forms: PTX on a GPU, plain C++ in the simulator (simulator/cudasim.h); the kernels are one text.
#pragma once
#ifdef CUDASIM
#include "simulator/cudasim.h"
#endif

typedef REAL T;
#define FULL_WARP 0xffffffffu

// The flat number of this thread in a one-dimensional launch (loader: threads=n). Compare it with n before use.
__device__ inline int thread_number() { return (int)(blockIdx.x * blockDim.x + threadIdx.x); }

// Dynamic shared memory (loader: shared=bytes), 16-byte aligned: DYNAMIC_SHARED(T, tile); tile[i] = ...
#ifndef CUDASIM
#define DYNAMIC_SHARED(type, name) \
    extern __shared__ __align__(16) unsigned char minidl_dynamic_shared[]; \
    type *name = reinterpret_cast<type *>(minidl_dynamic_shared)
#endif

// -- reductions; every thread of the warp (block) must call, and every lane (thread) gets the result -------------------
template <class V> __device__ inline V warp_sum(V v) {
    for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(FULL_WARP, v, d);
    return v;
}

template <class V> __device__ inline V warp_max(V v) {
    for (int d = 16; d; d >>= 1) {
        V o = __shfl_xor_sync(FULL_WARP, v, d);
        v = o > v ? o : v;
    }
    return v;
}

// The sum over a one-dimensional block of whole warps, at most 1024 threads.
template <class V> __device__ inline V block_sum(V v) {
    __shared__ V block_sum_parts[32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_sum(v);
    __syncthreads(); // the parts of an earlier call have been read
    if (lane == 0) block_sum_parts[warp] = v;
    __syncthreads();
    return warp_sum(lane < warps ? block_sum_parts[lane] : V(0));
}

template <class V> __device__ inline V block_max(V v) {
    __shared__ V block_max_parts[32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_max(v);
    __syncthreads();
    if (lane == 0) block_max_parts[warp] = v;
    __syncthreads();
    return warp_max(block_max_parts[lane < warps ? lane : 0]);
}

// -- tensor cores: D += A B for one warp, A 16 x 8, B 8 x 8, D 16 x 8, operands rounded to TF32 (10 bits of mantissa) ----
// With g = lane / 4 and t = lane % 4 a lane holds a = A[g][t], A[g+8][t], A[g][t+4], A[g+8][t+4]; b = B[t][g], B[t+4][g];
// d = D[g][2t], D[g][2t+1], D[g+8][2t], D[g+8][2t+1] (PTX ISA, mma.m16n8k8 for .tf32).
#ifndef CUDASIM
__device__ inline unsigned to_tf32(float v) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(v));
    return bits;
}

__device__ inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// -- asynchronous copies global -> shared: nothing may be read before copy_async_wait<N>() (at most N younger groups are
// -- still on their way) and a __syncthreads(). BYTES is 4, 8 or 16, both addresses aligned to it; !valid writes zeros.
template <int BYTES> __device__ inline void copy_async(void *shared, const void *global, bool valid = true) {
    const unsigned to = (unsigned)__cvta_generic_to_shared(shared), bytes = valid ? BYTES : 0;
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global), "n"(BYTES), "r"(bytes) : "memory");
}

__device__ inline void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int N> __device__ inline void copy_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
#endif
