"""The simulator: CUDA C on the CPU gives a GPU's results, and reports errors that a GPU does not."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from minidl.kernels.cuda.loader import Kernel, i32
from minidl.kernels.cuda.simulator import KernelError

from minidl import backend

pytestmark = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)


def kernel(body, parameters="const T *x, T *y, int n", options=()):
    """The kernel `probe` with this body, which starts on line 3 of the text."""
    text = f'#include "minidl.cuh"\nextern "C" __global__ void probe({parameters}) {{\n{body}\n}}\n'
    return Kernel(text, "probe", options)


def run(body, n=256, dtype=np.float32, **launch):
    """y after the kernel ran on x = 0, 1, 2, ..."""
    x, y = np.arange(n, dtype=dtype), np.zeros(n, dtype)
    kernel(body)(x, y, *i32(n), **(launch or {"threads": n}))
    return y


REVERSE = "__shared__ T tile[256];\ntile[threadIdx.x] = x[threadIdx.x];\n{}\ny[threadIdx.x] = tile[255 - threadIdx.x];"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_meet_at_barriers(dtype):
    np.testing.assert_array_equal(run(REVERSE.format("__syncthreads();"), dtype=dtype), np.arange(256)[::-1])


def test_indices_of_three_dimensions():
    y = np.zeros((4, 3, 2, 5, 6, 7), np.int32)
    body = """
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    y[block * (blockDim.x * blockDim.y * blockDim.z) + thread] += block * 1000 + thread;"""
    kernel(body, "int *y")(y, grid=(2, 3, 4), block=(7, 6, 5))
    np.testing.assert_array_equal(y.reshape(24, 210), np.arange(24)[:, None] * 1000 + np.arange(210))


def test_blocks_are_shared_among_host_threads_and_atomics_meet():
    y = np.zeros(1, np.int32)
    kernel("atomicAdd(y, 1);", "int *y")(y, grid=300, block=100)
    assert y[0] == 30000


@pytest.mark.parametrize("dtype, bits", [(np.float32, np.uint32), (np.float64, np.uint64)])
def test_shared_memory_starts_poisoned(dtype, bits):
    body = (
        "__shared__ T a[8][32];\nDYNAMIC_SHARED(T, b);\ny[threadIdx.x] = a[threadIdx.x / 32][threadIdx.x % 32] + b[3];"
    )
    assert np.isnan(run(body, dtype=dtype, grid=1, block=256, shared=64)).all()


def test_reductions_of_the_common_header():
    x = np.random.default_rng(0).standard_normal((3, 128))
    y = np.zeros((4, 3, 128))
    body = """
    const int i = thread_number(), n = gridDim.x * blockDim.x;
    y[i] = block_sum(x[i]); y[n + i] = block_max(x[i]); y[2 * n + i] = warp_sum(x[i]); y[3 * n + i] = warp_max(x[i]);"""
    kernel(body, "const T *x, T *y")(x, y, grid=3, block=128)
    warps = x.reshape(3, 4, 32)
    wanted = x.sum(1), x.max(1), warps.sum(2).repeat(32, 1), warps.max(2).repeat(32, 1)
    for came, w in zip(y, wanted):
        np.testing.assert_allclose(came, np.broadcast_to(w.reshape(3, -1), (3, 128)), rtol=1e-12)


def test_warp_operations():
    y = np.zeros((12, 32), np.int32)
    body = """
    const int t = threadIdx.x, v = t * t;
    const int out[12] = {__shfl_sync(FULL_WARP, v, 5), __shfl_up_sync(FULL_WARP, v, 3), __shfl_down_sync(FULL_WARP, v, 3, 16),
                         __shfl_xor_sync(FULL_WARP, v, 6), (int)__ballot_sync(FULL_WARP, t % 3 == 0),
                         __any_sync(FULL_WARP, t == 40), __all_sync(FULL_WARP, t < 32), __reduce_add_sync(FULL_WARP, v),
                         __reduce_max_sync(FULL_WARP, t ^ 9), (int)__reduce_or_sync(FULL_WARP, 1u << t),
                         (int)__match_any_sync(FULL_WARP, t / 8), t < 7 ? __shfl_sync(0x7f, v, 6) : -1};
    for (int i = 0; i < 12; i++) y[i * 32 + t] = out[i];"""
    kernel(body, "int *y")(y, grid=1, block=32)
    t = np.arange(32)
    v, down = t * t, np.where(t % 16 < 13, t + 3, t)
    wanted = [
        *(np.full(32, 25), np.where(t < 3, v, (t - 3) ** 2), down * down, (t ^ 6) ** 2),
        *(
            np.full(32, int((2 ** t[t % 3 == 0]).sum())),
            0 * t,
            0 * t + 1,
            np.full(32, v.sum()),
            np.full(32, (t ^ 9).max()),
        ),
        *(np.full(32, -1), 255 << t // 8 * 8, np.where(t < 7, 36, -1)),
    ]
    np.testing.assert_array_equal(y, np.array(wanted).astype(np.uint32).view(np.int32))


def test_barriers_that_count():
    y = np.zeros((3, 96), np.int32)
    body = """
    const int t = threadIdx.x, a = __syncthreads_count(t % 3 == 0), b = __syncthreads_and(t >= 0), c = __syncthreads_or(t > 95);
    y[t] = a; y[96 + t] = b; y[192 + t] = c;"""
    kernel(body, "int *y")(y, grid=1, block=96)
    np.testing.assert_array_equal(y, np.array([[32], [1], [0]]) * np.ones((1, 96)))


def test_atomics():
    y = np.array([0, 5, 5, 0, 7, 0, 0], np.int32)
    z = np.zeros(2)
    body = """
    const int t = thread_number();
    atomicAdd(&y[0], t); atomicMin(&y[1], -t); atomicMax(&y[2], t); atomicOr(&y[3], 1 << t % 20); atomicAnd(&y[4], 5);
    atomicCAS(&y[5], 0, 9); atomicExch(&y[6], 4); atomicAdd(&z[0], 0.5); atomicAdd((float *)&z[1], 0.25f);"""
    kernel(body, "int *y, double *z")(y, z, grid=8, block=64)
    np.testing.assert_array_equal(y, [511 * 256, -511, 511, 2**20 - 1, 5, 9, 4])
    assert z[0] == 256 and z[1:].view(np.float32)[0] == 128


def test_tensor_core_product_rounds_to_tf32():
    r = np.random.default_rng(0)
    a, b, c = r.standard_normal((16, 8)).astype("f"), r.standard_normal((8, 8)).astype("f"), np.ones((16, 8), "f")
    body = """
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    const unsigned x[4] = {to_tf32(a[g * 8 + t]), to_tf32(a[(g + 8) * 8 + t]), to_tf32(a[g * 8 + t + 4]),
                           to_tf32(a[(g + 8) * 8 + t + 4])};
    const unsigned y[2] = {to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g])};
    float d[4] = {c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]};
    mma_tf32(d, x, y);
    c[g * 8 + 2 * t] = d[0]; c[g * 8 + 2 * t + 1] = d[1]; c[(g + 8) * 8 + 2 * t] = d[2]; c[(g + 8) * 8 + 2 * t + 1] = d[3];"""
    kernel(body, "const float *a, const float *b, float *c")(a, b, c, grid=1, block=32)
    short = lambda v: ((v.view(np.uint32) + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32).astype(float)
    np.testing.assert_allclose(c, 1 + short(a) @ short(b), rtol=0, atol=1e-6)
    assert np.abs(c - (1 + a.astype(float) @ b)).max() > 1e-5


ASYNC = """__shared__ float tile[512];
const int t = threadIdx.x;
copy_async<4>(&tile[t], &x[t]); copy_async_commit();
copy_async<4>(&tile[256 + t], &x[t], t % 2); copy_async_commit();
copy_async_wait<{}>(); __syncthreads();
y[t] = tile[255 - t] + tile[256 + t];
copy_async_wait<0>();"""


def test_asynchronous_copies_arrive_when_waited_for():
    t = np.arange(256)
    np.testing.assert_array_equal(run(ASYNC.format(0)), 255 - t + np.where(t % 2, t, 0))
    assert np.isnan(run(ASYNC.format(1))).all()  # the younger group may still be on its way


# -- planted bugs ----------------------------------------------------------------------------------------------------

AT = r"kernel probe, block \({}\), thread \({}\): "
BUGS = {
    "missing barrier": (
        "__shared__ T tile[256]; tile[threadIdx.x] = 0; __syncthreads();\n"
        "tile[threadIdx.x] = x[threadIdx.x];\ny[thread_number()] = tile[255 - threadIdx.x];",
        AT.format("0,0,0", "128,0,0")
        + r"race: writes tile\[128\], which thread \(127,0,0\) of block \(0,0,0\) read, without a barrier.*line 4",
    ),
    "off by one": (
        "const int i = thread_number();\nif (i <= n - 256) y[i + 256] = x[i];",
        AT.format("1,0,0", "0,0,0") + r"out of bounds: writes y\[512\]; y has 512 elements.*line 4",
    ),
    "before the array": (
        "y[thread_number()] = x[(int)thread_number() - 1];",
        AT.format("0,0,0", "0,0,0") + r".*reads x\[-1\]",
    ),
    "shared off by one": (
        "__shared__ T tile[256];\ntile[threadIdx.x + 1] = 0;",
        AT.format("0,0,0", "255,0,0") + r"out of bounds: writes tile\[256\]; tile has 256 elements",
    ),
    "uninitialised read": (
        "__shared__ T tile[256];\nif (threadIdx.x != 7) tile[threadIdx.x] = 0;\n__syncthreads();\n"
        "y[thread_number()] = tile[threadIdx.x];",
        AT.format("0,0,0", "7,0,0") + r"uninitialised: reads tile\[7\]",
    ),
    "race in global memory": (
        "y[threadIdx.x / 2] += x[threadIdx.x];",
        AT.format("0,0,0", "1,0,0") + r"race: reads y\[0\], which thread \(0,0,0\) of block \(0,0,0\) wrote",
    ),
    "race between blocks": (
        "if (threadIdx.x == 3) y[0] = 1;",
        AT.format("1,0,0", "3,0,0") + r"race: writes y\[0\], which thread \(3,0,0\) of block \(0,0,0\) wrote",
    ),
    "read, then written by another": (
        "__shared__ T tile[257]; tile[threadIdx.x] = 0; tile[256] = 0;".replace(
            "tile[256] = 0", "if (!threadIdx.x) tile[256] = 0"
        )
        + "\n__syncthreads();\nconst T v = tile[threadIdx.x + 1]; tile[threadIdx.x] = v;",
        AT.format("0,0,0", "1,0,0") + r"race: writes tile\[1\], which thread \(0,0,0\) of block \(0,0,0\) read",
    ),
    "atomic beside plain": (
        "atomicAdd(&y[0], T(1)); if (threadIdx.x == 9) y[0] = 1;",
        AT.format("0,0,0", "9,0,0") + r"race: writes y\[0\], which thread \(0,0,0\) .* changed atomically",
    ),
    "shuffles order nothing": (
        "__shared__ T tile[256]; tile[threadIdx.x] = 1; const T v = __shfl_xor_sync(FULL_WARP, x[threadIdx.x], 1);\n"
        "y[thread_number()] = tile[threadIdx.x ^ 1] + v;",
        r"race: reads tile\[",
    ),
}


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_watched_bugs_are_named(bug, monkeypatch):
    monkeypatch.setenv("MINIDL_CUDASIM", "address")
    body, message = BUGS[bug]
    with pytest.raises(KernelError, match=f"(?s){message}"):
        run(body, n=512)


def test_watched_kernels_without_bugs_pass(monkeypatch):
    monkeypatch.setenv("MINIDL_CUDASIM", "address")
    np.testing.assert_array_equal(run(REVERSE.format("__syncthreads();")), np.arange(256)[::-1])
    within = "__shared__ T tile[256]; tile[threadIdx.x] = x[threadIdx.x]; __syncwarp(); y[threadIdx.x] = tile[threadIdx.x ^ 1];"
    np.testing.assert_array_equal(run(within), np.arange(256) ^ 1)
    assert run("atomicAdd(&y[threadIdx.x / 64], x[thread_number()]);", n=512)[0] == np.r_[:64, 256:320].sum()
    t = np.arange(256)
    np.testing.assert_array_equal(run(ASYNC.format(0)), 255 - t + np.where(t % 2, t, 0))
    table = "const float table[4] = {1, 2, 3, 4};\ny[thread_number()] = table[(int)x[thread_number()] % 4];"
    np.testing.assert_array_equal(run(table), t % 4 + 1)
    with pytest.raises(KernelError, match="uninitialised: reads tile"):
        run(ASYNC.format(1))


DIVERGENT = {
    "some return": (
        "if (threadIdx.x >= 200) return;\n__syncthreads();",
        AT.format("0,0,0", "200,0,0")
        + r"divergent barrier: returned, while thread \(0,0,0\) waits at the barrier of line 4",
    ),
    "two barriers": (
        "if (threadIdx.x & 1) __syncthreads();\nelse __syncthreads();",
        AT.format("0,0,0", "1,0,0") + r"divergent barrier: waits at line 3, while thread \(0,0,0\) waits .* of line 4",
    ),
    "returned before": (
        "if (threadIdx.x == 0) return;\n__syncthreads();",
        AT.format("0,0,0", "1,0,0") + r"divergent barrier: waits at line 4, but 1 threads of the block have returned",
    ),
    "warp against barrier": (
        "if (threadIdx.x < 20) __syncwarp();\nelse __syncthreads();",
        AT.format("0,0,0", "0,0,0")
        + r"divergent: .*mask 0xffffffff at line 3, while thread \(20,0,0\) waits .* of line 4",
    ),
    "different masks": (
        "__syncwarp(threadIdx.x % 2 ? 0xffffffffu : 0x55555555u | 2u);",
        r"divergent",
    ),
    "not in the mask": (
        "__syncwarp(2u);",
        AT.format("0,0,0", "0,0,0") + r"line 3: mask 0x00000002 does not hold .* lane 0",
    ),
    "lane that is absent": (
        "if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0xffffu, x[threadIdx.x], 20);",
        r"a shuffle reads a lane that does not take part",
    ),
    "copies not waited for": (
        "__shared__ float tile[256]; copy_async<4>(&tile[threadIdx.x], &x[threadIdx.x]); copy_async_commit();",
        AT.format("0,0,0", "0,0,0") + r"returned with asynchronous copies",
    ),
}


@pytest.mark.parametrize("bug", sorted(DIVERGENT))
def test_divergence_is_always_named(bug):
    body, message = DIVERGENT[bug]
    with pytest.raises(KernelError, match=f"(?s){message}"):
        run(body)
    np.testing.assert_array_equal(run("y[threadIdx.x] = x[threadIdx.x];"), np.arange(256))  # the next launch is sound


# -- the loader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros(3, "f"), np.zeros(3, "f"), 3), r"probe: argument 'n' must be np.int32\(...\), not 3 of type int"),
        ((np.zeros(3, "f"), np.zeros(3, "f"), np.int64(3)), r"argument 'n' must be np.int32"),
        ((np.zeros(3, "f"), np.zeros(3), np.int32(3)), "type T have different dtypes"),
        ((np.zeros(3, "i"), np.zeros(3, "i"), np.int32(3)), "T is float32 or float64, not int32"),
        (([1.0], np.zeros(3, "f"), np.int32(3)), "argument 'x' must be an array of float32, not list"),
        ((np.zeros(3, "f"), np.zeros(3, "f")), "2 arguments given; needed 3: x, y, n"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(TypeError, match=message):
        kernel("y[0] = x[0];")(*arguments, threads=3)


def test_launches_are_checked():
    probe, x = kernel("y[0] = x[0];"), np.zeros((4, 4), "f")
    with pytest.raises(ValueError, match="argument 'x' must be C-contiguous"):
        probe(x.T, x, np.int32(3), threads=3)
    with pytest.raises(TypeError, match="give either threads= or grid="):
        probe(x, x, np.int32(3))
    with pytest.raises(ValueError, match="no GPU runs blocks of"):
        probe(x, x, np.int32(3), grid=1, block=2000)
    with pytest.raises(OverflowError):
        i32(2**31)
    with pytest.raises(ValueError, match="there is no kernel 'other'; it contains probe"):
        Kernel(probe.code, "other")
    with pytest.raises(ValueError, match="no kernel found"):
        Kernel("int f() { return 1; }\n", "f")
    with pytest.raises(ValueError, match="must be T or one of"):
        kernel("", "half *x")
    with pytest.raises(ValueError, match="one shared array a declaration"):
        kernel("__shared__ T a[3], b[4];", "T *y")(x, threads=3)
    probe(x, x, np.int32(0), threads=0)  # an empty launch is nothing


def test_null_pointers_pass_as_none():
    y = np.ones(4, "f")
    kernel("y[threadIdx.x] = x ? 1 : 2;")(None, y, np.int32(4), grid=1, block=4)
    assert (y == 2).all()


def test_a_text_that_does_not_compile_is_quoted():
    with pytest.raises(RuntimeError, match=r"(?s)could not compile text.cu.*text.cu:3.*undeclared_name"):
        run("y[0] = undeclared_name;")


def test_without_a_compiler_the_message_says_what_to_install():
    code = "import numpy as np; from minidl.kernels import cuda; cuda.relu(np.zeros(3))"
    environment = {"PATH": "/nowhere", "HOME": "/tmp", "MINIDL_CUDASIM_CACHE": "/tmp/none"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "no C++ compiler found" in done.stderr and "apt install g++" in done.stderr


def test_unknown_modes_are_refused(monkeypatch):
    monkeypatch.setenv("MINIDL_CUDASIM", "valgrind")
    with pytest.raises(ValueError, match="MINIDL_CUDASIM is 'address' or unset, not 'valgrind'"):
        run("y[0] = 1;")


def test_a_tensor_operation_runs_on_the_simulator():
    import minidl
    from minidl import functional as F

    x = minidl.tensor(np.linspace(-1, 1, 7), requires_grad=True)
    with backend.use("cudasim"):
        F.relu(x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, x.data > 0)


# -- the profile -------------------------------------------------------------------------------------------------------

TRANSPOSE = """#include "minidl.cuh"
extern "C" __global__ void transpose(const T *x, T *y, int n) {{
    __shared__ T tile[32][{pitch}];
    const int i = threadIdx.y, j = threadIdx.x;
    tile[i][j] = x[(blockIdx.y * 32 + i) * n + blockIdx.x * 32 + j];
    __syncthreads();
    y[(blockIdx.x * 32 + i) * n + blockIdx.y * 32 + j] = tile[j][i];
}}
extern "C" __global__ void naive(const T *x, T *y, int n) {{
    const int i = blockIdx.y * 32 + threadIdx.y, j = blockIdx.x * 32 + threadIdx.x;
    y[j * n + i] = x[i * n + j];
}}
"""


def profile(name, pitch, dtype=np.float32):
    import minidl

    x = np.arange(64 * 64, dtype=dtype).reshape(64, 64)
    y = np.empty_like(x)
    (found,) = minidl.profile_kernel(
        lambda: Kernel(TRANSPOSE.format(pitch=pitch), name)(x, y, *i32(64), grid=(2, 2), block=(32, 32))
    )
    np.testing.assert_array_equal(y, x.T)
    return found


def test_profile_of_a_transpose_with_conflicts(capsys):
    p = profile("transpose", 32)
    assert (p.launches, p.blocks, p.threads, p.barriers) == (1, 4, 4096, 4096)
    assert p.global_loads == p.global_stores == p.shared_loads == p.shared_stores == 4096
    assert (p.global_requests, p.global_sectors, p.uncoalesced) == (256, 1024, 0)  # 32 floats are 4 sectors
    assert (p.shared_requests, p.bank_conflicts) == (256, 128 * 31)  # a column of the tile lies in one bank
    said = capsys.readouterr().out
    assert "transpose: 4,096 threads in 4 blocks, launched once" in said
    if shutil.which("addr2line"):
        assert "line 7 of text.cu: a shared load that takes 32.0 turns a request" in said


def test_profile_of_a_padded_tile_has_no_conflicts():
    assert profile("transpose", 33).bank_conflicts == 0
    wide = profile("transpose", 33, np.float64)  # 8 sectors a request; half a warp at a time, rows an odd pitch apart
    assert (wide.global_sectors, wide.bank_conflicts) == (2048, 0)


def test_profile_of_uncoalesced_stores(capsys):
    p = profile("naive", 32)
    assert (p.uncoalesced, p.global_sectors, p.ideal_sectors) == (128, 128 * 4 + 128 * 32, 256 * 4)
    if shutil.which("addr2line"):
        assert (
            "line 11 of text.cu: a global store of 32.0 sectors a request where 4.0 would do" in capsys.readouterr().out
        )


def test_profile_without_kernels_says_so(capsys):
    import minidl

    assert minidl.profile_kernel(lambda: None) == []
    assert "no kernel was launched" in capsys.readouterr().out


def test_the_example_of_profile_kernel_is_true():
    import doctest

    from minidl.analysis import profiling

    assert doctest.testmod(profiling).failed == 0


# -- a text of one's own -----------------------------------------------------------------------------------------------

TWO = """
extern "C" __global__ void one(T *y) { y[threadIdx.x] = 1; }
extern "C" __global__ void far(T *y) { y[threadIdx.x + 5000] = 1; }
"""


def test_own_text_through_the_public_door():
    import doctest

    from minidl.backend import cuda

    assert doctest.testmod(cuda).failed == 0
    y = np.zeros(4)
    cuda.kernel(TWO, "one")(y, grid=1, block=4)
    assert (y == 1).all()
    with pytest.raises(ValueError, match="the text contains one, far; choose one by name="):
        cuda.kernel(TWO)


def test_watching_begins_and_ends_with_the_block():
    from minidl.backend import cuda

    y = np.zeros(10000)
    with cuda.watch():
        with pytest.raises(KernelError, match=r"block \(0,0,0\), thread \(0,0,0\): out of bounds: writes y"):
            cuda.kernel(TWO, "far")(y[:4], grid=1, block=4)
    cuda.kernel(TWO, "far")(y[:4], grid=1, block=4)  # nobody looks: it writes into the array behind
    assert y.sum() == 4
