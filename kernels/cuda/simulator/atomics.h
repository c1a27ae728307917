// Atomic operations on global and shared memory: a compare-and-swap loop on the bits, the old value is returned.
#pragma once

template <class V> struct cudasim_Bits { typedef std::conditional_t<sizeof(V) == 8, uint64_t, uint32_t> type; };

template <class V, class F> inline V cudasim_atomic(V *at, F change) {
    typedef typename cudasim_Bits<V>::type B;
#ifdef CUDASIM_WATCHED
    cudasim_note_atomic(at, sizeof(V));
#endif
    B *bits = (B *)at, seen = __atomic_load_n(bits, __ATOMIC_RELAXED), wanted;
    V old, now;
    do {
        memcpy(&old, &seen, sizeof(V));
        now = change(old);
        memcpy(&wanted, &now, sizeof(V));
    } while (!__atomic_compare_exchange_n(bits, &seen, wanted, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}

#define CUDASIM_ATOMIC(name, V, expression) \
    static inline V name(V *at, V v) { return cudasim_atomic(at, [=](V old) -> V { return expression; }); }
#define CUDASIM_ATOMIC_NUMBERS(V) \
    CUDASIM_ATOMIC(atomicAdd, V, old + v) \
    CUDASIM_ATOMIC(atomicExch, V, ((void)old, v))
#define CUDASIM_ATOMIC_INTEGERS(V) \
    CUDASIM_ATOMIC_NUMBERS(V) \
    CUDASIM_ATOMIC(atomicMin, V, old < v ? old : v) \
    CUDASIM_ATOMIC(atomicMax, V, old > v ? old : v) \
    CUDASIM_ATOMIC(atomicAnd, V, old &v) \
    CUDASIM_ATOMIC(atomicOr, V, old | v) \
    CUDASIM_ATOMIC(atomicXor, V, old ^ v) \
    static inline V atomicCAS(V *at, V compare, V v) { \
        return cudasim_atomic(at, [=](V old) -> V { return old == compare ? v : old; }); \
    }

CUDASIM_ATOMIC_NUMBERS(float)
CUDASIM_ATOMIC_NUMBERS(double)
CUDASIM_ATOMIC_INTEGERS(int)
CUDASIM_ATOMIC_INTEGERS(unsigned)
CUDASIM_ATOMIC_INTEGERS(unsigned long long)
CUDASIM_ATOMIC(atomicMin, long long, old < v ? old : v)
CUDASIM_ATOMIC(atomicMax, long long, old > v ? old : v)
CUDASIM_ATOMIC(atomicSub, int, old - v)
CUDASIM_ATOMIC(atomicSub, unsigned, old - v)
CUDASIM_ATOMIC(atomicInc, unsigned, old >= v ? 0 : old + 1)
CUDASIM_ATOMIC(atomicDec, unsigned, old == 0 || old > v ? v : old - 1)
