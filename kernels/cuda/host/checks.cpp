#include "runtime.h"
struct Watch {};
void watch_launch(Worker &) {}
void watch_block(Worker &) {}
void watch_warp_done(Worker &, unsigned) {}
void watch_end(Worker &) {}
void watch_access(const void *, size_t, bool, bool, const void *) {}
