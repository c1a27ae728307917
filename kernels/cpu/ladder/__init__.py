"""The ladder: convolution in steps that each add one idea, as complete programs of a page.

    loops.py          the definition, seven loops
    im2col.py         the same multiplications as one matrix product
    packed.py         blocks that fit the caches, packed in the order in which they are read
    micro_kernel.py   a register tile in vectors
    ../conv/implicit_gemm.py    im2col's matrix is packed block by block and never stored
    ../conv/winograd.py         a quarter of the multiplications

The first four compute the same layer, x (C, H, W) with w (O, C, k, k), stride 1, no padding, float32, one image and one thread;
the last two are what the CPU column runs. `minidl bench ladder` times all six.
"""
