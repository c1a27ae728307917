// Which pixels one unit sees through three layers of dilated 3 x 3 convolutions, and by how many paths.
(function (live) {
  "use strict";

  // Paths along one axis: each layer convolves them with taps that lie `dilation` apart.
  function line(dilations, kernel = 3) {
    let counts = [1];
    for (const dilation of dilations) {
      const next = new Array(counts.length + dilation * (kernel - 1)).fill(0);
      counts.forEach((count, i) => {
        for (let k = 0; k < kernel; k++) next[i + k * dilation] += count;
      });
      counts = next;
    }
    return counts;
  }

  function paths(dilations, kernel = 3) {
    const counts = line(dilations, kernel);
    return counts.map((a) => counts.map((b) => a * b));
  }

  live.define("gridding", { line, paths }, (frame) => {
    const dilations = [2, 2, 2];
    dilations.forEach((d, k) => frame.slider(`dilation ${k + 1}`, 1, 6, d, (value) => draw((dilations[k] = value))));

    function draw() {
      const grid = paths(dilations);
      const most = Math.max(...grid.flat());
      const seen = grid.flat().filter((v) => v > 0).length;
      const side = 380 / grid.length;
      const svg = frame.canvas(400, 400, `A square of ${grid.length} by ${grid.length} pixels, ${seen} of them seen`);
      live.cells(svg, 10, 10, side, grid, (v) => (v ? 0.2 + (0.8 * Math.log(v + 1)) / Math.log(most + 1) : 0), side > 22 ? 0 : -1);
      const all = grid.length * grid.length;
      const holes = all - seen;
      const result = holes ? `${holes} are holes: the gridding pattern` : "none is a hole";
      frame.says(`Dilations ${dilations.join(", ")}: field ${grid.length} x ${grid.length}; ${seen} of ${all} pixels are seen, ${result}.`);
    }
    draw();
  });
})(globalThis.live);
