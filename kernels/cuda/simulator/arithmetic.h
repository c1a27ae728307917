// Arithmetic that CUDA C has and C++ has not, or has under another name.
#pragma once
#define CUDASIM_MINMAX(V) \
    static inline V min(V a, V b) { return b < a ? b : a; } \
    static inline V max(V a, V b) { return a < b ? b : a; }
CUDASIM_MINMAX(int)
CUDASIM_MINMAX(unsigned)
CUDASIM_MINMAX(long)
CUDASIM_MINMAX(unsigned long)
CUDASIM_MINMAX(long long)
CUDASIM_MINMAX(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); } // as on the device: a NaN loses
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(float a, double b) { return fmin(a, b); }
static inline double max(float a, double b) { return fmax(a, b); }
static inline double min(double a, float b) { return fmin(a, b); }
static inline double max(double a, float b) { return fmax(a, b); }

template <class V> inline V __ldg(const V *p) { return *p; }
template <class V> inline V __ldcs(const V *p) { return *p; }
template <class V> inline void __stcs(V *p, V v) { *p = v; }

static inline float cudasim_rsqrt(float x) { return 1.0f / sqrtf(x); }
static inline double cudasim_rsqrt(double x) { return 1.0 / sqrt(x); }
#define rsqrtf cudasim_rsqrt // macros where the host's library may hold a function of that name
#define rsqrt cudasim_rsqrt
#define __expf expf
#define __logf logf
#define __sinf sinf
#define __cosf cosf
#define __powf powf
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
// _rn: rounded to nearest and never contracted into a fused multiply-add
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double a) { return sqrt(a); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

template <class To, class From> inline To cudasim_bits(From v) {
    static_assert(sizeof(To) == sizeof(From), "the same bits under another type");
    To to;
    memcpy(&to, &v, sizeof to);
    return to;
}
static inline int __float_as_int(float v) { return cudasim_bits<int>(v); }
static inline unsigned __float_as_uint(float v) { return cudasim_bits<unsigned>(v); }
static inline float __int_as_float(int v) { return cudasim_bits<float>(v); }
static inline float __uint_as_float(unsigned v) { return cudasim_bits<float>(v); }
static inline long long __double_as_longlong(double v) { return cudasim_bits<long long>(v); }
static inline double __longlong_as_double(long long v) { return cudasim_bits<double>(v); }
static inline int __float2int_rn(float v) { return (int)rintf(v); }
static inline int __float2int_rd(float v) { return (int)floorf(v); }
static inline int __float2int_ru(float v) { return (int)ceilf(v); }
static inline int __float2int_rz(float v) { return (int)v; }
static inline int __double2int_rn(double v) { return (int)rint(v); }
static inline int __double2int_rd(double v) { return (int)floor(v); }
static inline float __int2float_rn(int v) { return (float)v; }

static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
static inline int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
static inline int __ffs(int v) { return __builtin_ffs(v); }
static inline int __ffsll(long long v) { return __builtin_ffsll(v); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
static inline unsigned __brev(unsigned v) {
    unsigned r = 0;
    for (int i = 0; i < 32; i++) r |= (v >> i & 1u) << (31 - i);
    return r;
}
