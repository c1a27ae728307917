"""How kernels are compiled (`jit`), cached (`cache_key`), announced (`compile_notice`) and run on threads (`threads`)."""
