// cp.async: a copy happens when it is waited for, so that a forgotten wait reads poison.
#pragma once
template <int BYTES> inline void copy_async(void *shared, const void *global, bool valid = true) {
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
    cudasim_copy_async(shared, global, BYTES, valid);
}
static inline void copy_async_commit() { cudasim_copy_commit(); }
template <int N> inline void copy_async_wait() { cudasim_copy_wait(N); }
