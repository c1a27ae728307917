// The calls that -fsanitize=thread puts before every load and store. The sanitizer's own runtime is not linked: these
// functions take its place and hand each access to checks.cpp.
#include <cstring>
#include "runtime.h"

#define HOOK extern "C" __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)
#define SIZED(n) \
    HOOK void __tsan_read##n(void *at) { watch_access(at, n, false, false, CALLER); } \
    HOOK void __tsan_write##n(void *at) { watch_access(at, n, true, false, CALLER); } \
    HOOK void __tsan_unaligned_read##n(void *at) { watch_access(at, n, false, false, CALLER); } \
    HOOK void __tsan_unaligned_write##n(void *at) { watch_access(at, n, true, false, CALLER); } \
    HOOK void __tsan_volatile_read##n(void *at) { watch_access(at, n, false, false, CALLER); } \
    HOOK void __tsan_volatile_write##n(void *at) { watch_access(at, n, true, false, CALLER); } \
    HOOK void __tsan_unaligned_volatile_read##n(void *at) { watch_access(at, n, false, false, CALLER); } \
    HOOK void __tsan_unaligned_volatile_write##n(void *at) { watch_access(at, n, true, false, CALLER); } \
    HOOK void __tsan_read_write##n(void *at) { \
        watch_access(at, n, false, false, CALLER); \
        watch_access(at, n, true, false, CALLER); \
    } \
    HOOK void __tsan_unaligned_read_write##n(void *at) { __tsan_read_write##n(at); }
SIZED(1)
SIZED(2)
SIZED(4)
SIZED(8)
SIZED(16)

HOOK void __tsan_init() {}
HOOK void __tsan_func_entry(void *) {}
HOOK void __tsan_func_exit() {}
HOOK void __tsan_vptr_update(void **, void *) {}
HOOK void __tsan_vptr_read(void **) {}
HOOK void __tsan_read_range(void *at, size_t n) { watch_access(at, n, false, false, CALLER); }
HOOK void __tsan_write_range(void *at, size_t n) { watch_access(at, n, true, false, CALLER); }

HOOK void *__tsan_memcpy(void *to, const void *from, size_t n) {
    watch_access(from, n, false, false, CALLER);
    watch_access(to, n, true, false, CALLER);
    return memcpy(to, from, n);
}
HOOK void *__tsan_memmove(void *to, const void *from, size_t n) {
    watch_access(from, n, false, false, CALLER);
    watch_access(to, n, true, false, CALLER);
    return memmove(to, from, n);
}
HOOK void *__tsan_memset(void *to, int value, size_t n) {
    watch_access(to, n, true, false, CALLER);
    return memset(to, value, n);
}

// The atomic builtins of atomics.h, which has already reported the access.
#define ATOMIC(bits) \
    HOOK uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int) { \
        return __atomic_load_n(at, __ATOMIC_SEQ_CST); \
    } \
    HOOK void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t v, int) { \
        __atomic_store_n(at, v, __ATOMIC_SEQ_CST); \
    } \
    HOOK int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *at, uint##bits##_t *seen, \
                                                           uint##bits##_t v, int, int) { \
        return __atomic_compare_exchange_n(at, seen, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    } \
    HOOK int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *at, uint##bits##_t *seen, \
                                                         uint##bits##_t v, int, int) { \
        return __atomic_compare_exchange_n(at, seen, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }
ATOMIC(32)
ATOMIC(64)
HOOK void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
