// A transposed convolution in one dimension, one input pixel after another.
(function (live) {
  "use strict";

  // The output after the first `steps` input pixels have painted: out[i stride + k] += x[i] w[k].
  function paint(x, w, stride, steps = x.length) {
    const out = new Array((x.length - 1) * stride + w.length).fill(0);
    for (let i = 0; i < steps; i++) w.forEach((weight, k) => (out[i * stride + k] += x[i] * weight));
    return out;
  }

  const INPUT = [2, 3, 1, 2];
  const KERNELS = [
    ["1, 10, 100", [1, 10, 100]],
    ["1, 2, 1", [1, 2, 1]],
    ["1, 1, 1, 1", [1, 1, 1, 1]],
    ["1, 3, 3, 1", [1, 3, 3, 1]],
  ];
  live.define("paint", { paint }, (frame) => {
    let [chosen, stride, steps, timer] = [0, 2, 1, null];
    frame.choice("kernel", KERNELS.map(([name]) => name), (value) => draw((chosen = value)));
    frame.slider("stride", 1, 3, stride, (value) => draw((stride = value)));
    frame.button("Back", () => step(-1));
    frame.button("Next", () => step(1));
    const play = frame.button("Play", () => (timer ? stop() : start()));

    function step(by) {
      stop();
      steps = Math.max(0, Math.min(INPUT.length, steps + by));
      draw();
    }

    function start() {
      steps = live.still() ? INPUT.length : 0; // without motion the end is shown at once
      draw();
      if (steps) return;
      play.textContent = "Stop";
      timer = setInterval(() => {
        steps++;
        draw();
        if (steps === INPUT.length) stop();
      }, 900);
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
    }

    function draw() {
      const w = KERNELS[chosen][1];
      const out = paint(INPUT, w, stride, steps);
      const most = Math.max(...paint(INPUT, w, stride));
      const side = Math.min(50, 520 / out.length);
      const svg = frame.canvas(560, 60 + 3.6 * side, `The output after ${steps} of ${INPUT.length} inputs: ${out.join(", ")}`);
      live.text(svg, 20, 16, "input");
      live.cells(svg, 20, 22, side, [INPUT], (v, i, j) => (j === steps - 1 ? 0.9 : 0.15), 0);
      live.text(svg, 20, 40 + side * 1.1, steps ? `input ${steps} paints ${INPUT[steps - 1]} times the kernel` : "nothing is painted yet");
      const y = 46 + side * 1.1;
      if (steps) live.cells(svg, 20 + (steps - 1) * stride * side, y, side, [w.map((v) => v * INPUT[steps - 1])], () => 0.3, 0);
      live.cells(svg, 20, y + 1.15 * side, side, [out], (v) => (0.85 * v) / most, 0);
      live.text(svg, 20, y + 2.55 * side, "output: the sum of all that was painted");
      const begin = (steps - 1) * stride;
      const shared = Math.max(0, w.length - stride);
      const where = steps ? `Input ${steps} adds to outputs ${begin} to ${begin + w.length - 1}` : "Press Next";
      frame.says(`${where}. Neighbouring kernels share ${shared} output pixel${shared === 1 ? "" : "s"}. Output: ${out.join(", ")}.`);
    }
    draw();
  });
})(globalThis.live);
