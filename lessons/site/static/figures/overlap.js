// How many kernels reach each output pixel of a transposed convolution, in one dimension and in two.
(function (live) {
  "use strict";

  // Counts of the (n - 1) stride + kernel output pixels of n input pixels.
  function counts(kernel, stride, n) {
    const found = new Array((n - 1) * stride + kernel).fill(0);
    for (let i = 0; i < n; i++) for (let k = 0; k < kernel; k++) found[i * stride + k]++;
    return found;
  }

  // In two dimensions counts multiply.
  function map(kernel, stride, n) {
    const line = counts(kernel, stride, n);
    return line.map((a) => line.map((b) => a * b));
  }

  // The most over the least painted pixel away from the borders: one period in the middle of a long line.
  function ratio(kernel, stride) {
    const line = counts(kernel, stride, 2 * kernel + 3);
    const middle = Math.floor(line.length / 2);
    const period = line.slice(middle, middle + stride);
    return Math.max(...period) / Math.min(...period);
  }

  const INPUTS = 6;
  live.define("overlap", { counts, map, ratio }, (frame) => {
    let [kernel, stride] = [3, 2];
    frame.slider("kernel size", 1, 8, kernel, (value) => draw((kernel = value)));
    frame.slider("stride", 1, 4, stride, (value) => draw((stride = value)));

    function draw() {
      const line = counts(kernel, stride, INPUTS);
      const grid = map(kernel, stride, INPUTS);
      const most = Math.max(...line);
      const side = Math.min(24, 520 / line.length);
      const words = `Counts along one axis: ${line.join(", ")}`;
      const svg = frame.canvas(560, 150 + side * line.length, words);
      live.text(svg, 20, 18, "one dimension");
      line.forEach((count, i) => {
        const height = (70 * count) / most;
        live.shape(svg, "rect", { x: 20 + i * side, y: 100 - height, width: side * 0.9, height, class: "live-bar" });
        live.shape(svg, "text", { x: 20 + (i + 0.45) * side, y: 110, class: "live-number" }, count);
      });
      live.text(svg, 20, 134, "two dimensions");
      live.cells(svg, 20, 140, side, grid, (v) => v / (most * most), side > 14 ? 0 : -1);
      const even = ratio(kernel, stride);
      const result = !Number.isFinite(even)
        ? "some pixels are never painted: the stride is larger than the kernel"
        : even === 1
          ? "even: the stride divides the kernel size"
          : `the most painted pixel gets ${even.toFixed(2)} times the least along one axis, ${(even * even).toFixed(2)} times in two`;
      frame.says(`Kernel ${kernel}, stride ${stride}: away from the border, ${result}.`);
    }
    draw();
  });
})(globalThis.live);
