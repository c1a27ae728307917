// Mean field in a dense CRF on 12 x 12 pixels with two labels: the exact sums over all pairs.
(function (live) {
  "use strict";

  // exp(-|f_i - f_j|^2 / 2) of all pairs, divided on both sides by the roots of the row sums ("symmetric").
  function filter(features) {
    const near = features.map((a) =>
      features.map((b) => Math.exp(-0.5 * a.reduce((sum, v, d) => sum + (v - b[d]) ** 2, 0))),
    );
    const root = near.map((row) => Math.sqrt(row.reduce((a, b) => a + b, 0)));
    return near.map((row, i) => row.map((v, j) => v / (root[i] * root[j])));
  }

  // Matrices of the two terms: places over sxy; places over sxyBilateral with colours over srgb. image: rows of numbers.
  function filters(image, { sxy, sxyBilateral, srgb }) {
    const pixels = image.flatMap((row, y) => row.map((colour, x) => [x, y, colour]));
    return [
      filter(pixels.map(([x, y]) => [x / sxy, y / sxy])),
      filter(pixels.map(([x, y, colour]) => [x / sxyBilateral, y / sxyBilateral, colour / srgb])),
    ];
  }

  // Beliefs in label 1 from the two scores of each pixel.
  const softmax = (scores) => scores.map(([a, b]) => 1 / (1 + Math.exp(a - b)));

  // One iteration from beliefs q: scores -U + sum over terms of w_t K_t q, for both labels.
  function step(q, unary, matrices, weights) {
    const scores = unary.map(([a, b]) => [-a, -b]);
    matrices.forEach((matrix, t) =>
      matrix.forEach((row, i) => {
        let [zero, one] = [0, 0];
        row.forEach((k, j) => {
          zero += k * (1 - q[j]);
          one += k * q[j];
        });
        scores[i][0] += weights[t] * zero;
        scores[i][1] += weights[t] * one;
      }),
    );
    return softmax(scores);
  }

  // Beliefs in label 1 (flat) after 0, 1, ... iterations.
  function meanField(unary, image, terms, weights, iterations) {
    const matrices = filters(image, terms);
    const found = [softmax(unary.map(([a, b]) => [-a, -b]))];
    for (let k = 0; k < iterations; k++) found.push(step(found[k], unary, matrices, weights));
    return found;
  }

  const N = 12;
  const TERMS = { sxy: 1.5, sxyBilateral: 6, srgb: 40 };
  // A bright shape on dark ground, a little uneven, and a belief that is right in about three of four pixels.
  const truth = Array.from({ length: N }, (_, y) =>
    Array.from({ length: N }, (_, x) => ((x - 5) ** 2 + (y - 6) ** 2 < 15 || (x > 7 && y > 8) ? 1 : 0)),
  );
  const noise = (k) => ((k * 7919 + 104729) % 1000) / 1000; // the same on every computer
  const image = truth.map((row, y) => row.map((v, x) => 60 + 120 * v + 30 * noise(31 * y + 17 * x)));
  const unary = truth.flatMap((row, y) =>
    row.map((v, x) => {
      const p = noise(53 * y + 29 * x + 11) < 0.24 ? 0.35 : 0.7;
      const one = v ? p : 1 - p;
      return [-Math.log(1 - one), -Math.log(one)];
    }),
  );
  const square = (flat) => Array.from({ length: N }, (_, y) => flat.slice(N * y, N * y + N));

  live.define("crf", { meanField, image, unary, truth, TERMS }, (frame) => {
    let [smooth, colour, at] = [1, 4, 0];
    let beliefs = [];
    const MOST = 10;
    const iteration = frame.slider("iteration", 0, MOST, at, (value) => draw((at = value)));
    frame.slider("weight of places", 0, 6, smooth, (value) => compute((smooth = value)), 0.5);
    frame.slider("weight of colours", 0, 10, colour, (value) => compute((colour = value)), 0.5);
    frame.button("Next iteration", () => {
      at = (at + 1) % (MOST + 1);
      iteration.value = at;
      iteration.nextElementSibling.textContent = at;
      draw();
    });

    function compute() {
      beliefs = meanField(unary, image, TERMS, [smooth, colour], MOST);
      draw();
    }

    function draw() {
      const flat = truth.flat();
      const right = beliefs[at].filter((q, i) => (q > 0.5 ? 1 : 0) === flat[i]).length;
      const svg = frame.canvas(560, 216, `Image, belief and labels after ${at} iterations, ${right} of 144 pixels right`);
      const side = 15;
      live.text(svg, 5, 16, "image");
      live.cells(svg, 5, 26, side, image, () => 1);
      svg.querySelectorAll("rect").forEach((cell, i) => (cell.style.fill = `rgb(${[0, 0, 0].fill(image.flat()[i])})`));
      live.text(svg, 190, 16, `belief, iteration ${at}`);
      live.cells(svg, 190, 26, side, square(beliefs[at]), (q) => q);
      live.text(svg, 375, 16, "label; x: wrong");
      const labels = square(beliefs[at].map((q) => (q > 0.5 ? 1 : 0)));
      live.cells(svg, 375, 26, side, labels, (v) => v);
      labels.forEach((row, y) =>
        row.forEach((v, x) => {
          if (v === truth[y][x]) return;
          const place = { x: 375 + (x + 0.5) * side, y: 26 + (y + 0.5) * side, class: v ? "live-on" : "live-number" };
          live.shape(svg, "text", place, "x");
        }),
      );
      const changed = at ? Math.max(...beliefs[at].map((q, i) => Math.abs(q - beliefs[at - 1][i]))) : 0;
      const moved = at ? ` The largest change of a belief in this iteration is ${changed.toFixed(3)}.` : "";
      frame.says(`After ${at} iteration${at === 1 ? "" : "s"} ${right} of 144 pixels have the right label.${moved}`);
    }
    compute();
  });
})(globalThis.live);
