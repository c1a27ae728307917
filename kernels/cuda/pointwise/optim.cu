// Optimiser steps in place: one thread per parameter, every array read and written once, whatever the formula holds.
#include "minidl.cuh"

struct SGDFactors { // keep = 1 - dampening
    T lr, momentum, keep, weight_decay;
    bool nesterov;
};

// d = grad + weight_decay param; velocity = momentum velocity + keep d; velocity is null where momentum is 0.
extern "C" __global__ void sgd_step(T *param, const T *grad, T *velocity, int n, SGDFactors f) {
    const int i = thread_number();
    if (i >= n) return;
    const T p = param[i];
    T d = grad[i] + f.weight_decay * p;
    if (velocity) {
        const T v = f.momentum * velocity[i] + f.keep * d;
        velocity[i] = v;
        d = f.nesterov ? d + f.momentum * v : v;
    }
    param[i] = p - f.lr * d;
}

// keep = 1 - beta, rate = lr / (1 - beta1^step), root = 1 / sqrt(1 - beta2^step), shrink = 1 - lr weight_decay if decoupled.
struct AdamFactors {
    T beta1, keep1, beta2, keep2, eps, rate, root, weight_decay, shrink;
};

extern "C" __global__ void adam_step(T *param, const T *grad, T *m, T *v, int n, AdamFactors f) {
    const int i = thread_number();
    if (i >= n) return;
    const T p = param[i] * f.shrink, d = grad[i] + f.weight_decay * p;
    const T mean = f.beta1 * m[i] + f.keep1 * d, square = f.beta2 * v[i] + f.keep2 * d * d;
    m[i] = mean;
    v[i] = square;
    param[i] = p - f.rate * (mean / (sqrt(square) * f.root + f.eps));
}
