// ROI Pool (Girshick 2015, section 2.1), and gather and scatter between boxes and the planes of the images they lie on.
#include "minidl.cuh"
#include "roi.cuh"

struct Span { // the pixels of one bin along an axis of n: corners rounded half away from zero, ends cut to the image
    int begin, end;
    __device__ Span(T low, T high, int bin, int bins, int n) {
        const int start = (int)round(low), stop = (int)round(high);
        const T size = T(max(stop - start + 1, 1)) / T(bins);
        begin = min(max(start + (int)floor(T(bin) * size), 0), n);
        end = min(max(start + (int)ceil(T(bin + 1) * size), 0), n);
    }
};

// One thread per bin and channel loops over the pixels of its bin: the first of equal ones wins, a NaN over every number.
extern "C" __global__ void roi_pool(const T *x, const T *boxes, T *y, int *index, Boxes b) {
    const int at = thread_number(), C = b.C, H = b.H, W = b.W, ph = b.ph, pw = b.pw;
    if (at >= b.n) return;
    const T scale = b.scale;
    const int j = at % pw, i = at / pw % ph, c = at / pw / ph % C;
    const T *box = boxes + at / pw / ph / C * 5;
    const Span rows(box[2] * scale, box[4] * scale, i, ph, H), cols(box[1] * scale, box[3] * scale, j, pw, W);
    const T *plane = x + ((long long)(int)box[0] * C + c) * H * W;
    T best = 0;
    int where = -1;
    for (int h = rows.begin; h < rows.end; h++)
        for (int w = cols.begin; w < cols.end; w++) {
            const T v = plane[h * W + w];
            if (where < 0 || v > best || (v != v && best == best)) best = v, where = h * W + w;
        }
    y[at] = best;
    index[at] = where;
}

struct Entries { // n of them: C channels of L entries, in planes of HW pixels
    int n, C, HW, L;
};

// y[k,c,l] = x[batch[k],c].flat[index[k,c,l]], 0 at index -1; any other index outside the plane raises the flag `bad`.
extern "C" __global__ void roi_gather(const T *x, const int *batch, const int *index, T *y, int *bad,
                                      Entries entries) {
    const int i = thread_number(), C = entries.C, HW = entries.HW, L = entries.L;
    if (i >= entries.n) return;
    const int at = index[i], k = i / L / C, c = i / L % C;
    const bool inside = at >= 0 && at < HW;
    if (!inside && at != -1) atomicExch(bad, 1);
    y[i] = inside ? x[((long long)batch[k] * C + c) * HW + at] : T(0);
}

// The adjoint adds y back. Boxes overlap, so this is a scatter with atomic additions; their order decides the last bits.
extern "C" __global__ void roi_scatter(const T *y, const int *batch, const int *index, T *x, int *bad,
                                       Entries entries) {
    const int i = thread_number(), C = entries.C, HW = entries.HW, L = entries.L;
    if (i >= entries.n) return;
    const int at = index[i], k = i / L / C, c = i / L % C;
    if (at >= 0 && at < HW)
        atomicAdd(&x[((long long)batch[k] * C + c) * HW + at], y[i]);
    else if (at != -1)
        atomicExch(bad, 1);
}
