"""How kernels are compiled (`jit`), kept on disk (`disk_cache`), announced (`compile_notice`) and threaded (`threads`)."""
