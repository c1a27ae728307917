// Optimiser steps in place: one thread per parameter, every array read and written once, whatever the formula holds.
#include "minidl.cuh"

// d = grad + weight_decay param; velocity = momentum velocity + keep d; velocity is null where momentum is 0.
extern "C" __global__ void sgd_step(T *param, const T *grad, T *velocity, int n, T lr, T momentum, T keep,
                                    T weight_decay, bool nesterov) {
    const int i = thread_number();
    if (i >= n) return;
    const T p = param[i];
    T d = grad[i] + weight_decay * p;
    if (velocity) {
        const T v = momentum * velocity[i] + keep * d;
        velocity[i] = v;
        d = nesterov ? d + momentum * v : v;
    }
    param[i] = p - lr * d;
}

// rate = lr / (1 - beta1^step), root = 1 / sqrt(1 - beta2^step), shrink = 1 - lr weight_decay where that is decoupled.
extern "C" __global__ void adam_step(T *param, const T *grad, T *m, T *v, int n, T keep1, T beta2, T keep2, T eps,
                                     T rate, T root, T weight_decay, T shrink) {
    const int i = thread_number();
    if (i >= n) return;
    const T p = param[i] * shrink, d = grad[i] + weight_decay * p;
    const T mean = m[i] + keep1 * (d - m[i]), square = beta2 * v[i] + keep2 * d * d;
    m[i] = mean;
    v[i] = square;
    param[i] = p - rate * (mean / (sqrt(square) * root + eps));
}
