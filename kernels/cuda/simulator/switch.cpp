// cudasim_switch(&mine, other): save what a call must preserve, store the stack pointer in *mine, go on at `other`.
#include <cstdint>
#include <cstring>
#include "fiber.h"

#if defined(__APPLE__)
#define NAME "_cudasim_switch"
#else
#define NAME "cudasim_switch"
#endif

#if defined(__x86_64__)
asm(".text\n.p2align 4\n.globl " NAME "\n" NAME ":\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n");

void *prepare_stack(char *top, void (*start)()) {
    uintptr_t *sp = (uintptr_t *)((uintptr_t)top & ~uintptr_t(15)) - 2; // at `start` the stack is as after a call
    sp[0] = (uintptr_t)start;
    sp -= 6; // rbp, rbx, r12 .. r15
    memset(sp, 0, 6 * sizeof *sp);
    return sp;
}
#elif defined(__aarch64__)
asm(".text\n.p2align 4\n.globl " NAME "\n" NAME ":\n"
    "  sub sp, sp, #160\n"
    "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n  stp x25, x26, [sp, #48]\n"
    "  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
    "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n"
    "  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
    "  add sp, sp, #160\n  ret\n");

void *prepare_stack(char *top, void (*start)()) {
    char *sp = (char *)((uintptr_t)top & ~uintptr_t(15)) - 160;
    memset(sp, 0, 160);
    memcpy(sp + 88, &start, sizeof start); // x30, where `ret` goes
    return sp;
}
#else
#error "cudasim runs on x86-64 and 64-bit ARM"
#endif
