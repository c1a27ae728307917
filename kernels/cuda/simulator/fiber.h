// The switch between two stacks, a few nanoseconds.
#pragma once
extern "C" void cudasim_switch(void **mine, void *other);
void *prepare_stack(char *top, void (*start)());
