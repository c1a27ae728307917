// ROI Pool and ROI Align on one feature map, under a box that the reader moves. Boxes are (x1, y1, x2, y2) in cells.
(function (live) {
  "use strict";

  // The nearest integer, halves away from zero.
  const nearest = (v) => Math.sign(v) * Math.floor(Math.abs(v) + 0.5);
  const clip = (v, least, most) => Math.max(least, Math.min(most, v));

  // [first, end) of each bin along an axis of n cells, after the box is rounded; both end cells belong to the box.
  function bins(start, end, count, n) {
    const [low, high] = [nearest(start), nearest(end)];
    const size = Math.max(high - low + 1, 1) / count;
    return Array.from({ length: count }, (_, i) => [
      clip(low + Math.floor(i * size), 0, n),
      clip(low + Math.ceil((i + 1) * size), 0, n),
    ]);
  }

  // The largest cell of each bin of the rounded box; 0 for an empty bin.
  function roiPool(map, [x1, y1, x2, y2], count) {
    const columns = bins(x1, x2, count, map[0].length);
    return bins(y1, y2, count, map.length).map(([top, bottom]) =>
      columns.map(([left, right]) => {
        const cells = map.slice(top, bottom).flatMap((row) => row.slice(left, right));
        return cells.length ? Math.max(...cells) : 0;
      }),
    );
  }

  // Where the samples of each bin lie along an axis, with half a cell taken off (aligned=True).
  function samples(start, end, count, ratio) {
    const step = (end - start) / count;
    return Array.from({ length: count }, (_, i) =>
      Array.from({ length: ratio }, (_, k) => start - 0.5 + i * step + ((k + 0.5) * step) / ratio),
    );
  }

  // The value between cells; 0 more than one cell outside.
  function between(map, y, x) {
    const [H, W] = [map.length, map[0].length];
    if (y < -1 || y > H || x < -1 || x > W) return 0;
    [y, x] = [clip(y, 0, H - 1), clip(x, 0, W - 1)];
    const [top, left] = [Math.floor(y), Math.floor(x)];
    const [bottom, right] = [Math.min(top + 1, H - 1), Math.min(left + 1, W - 1)];
    const [v, u] = [y - top, x - left];
    const along = (row) => (1 - u) * row[left] + u * row[right];
    return (1 - v) * along(map[top]) + v * along(map[bottom]);
  }

  // The mean of ratio x ratio samples in each bin.
  function roiAlign(map, [x1, y1, x2, y2], count, ratio) {
    const columns = samples(x1, x2, count, ratio);
    return samples(y1, y2, count, ratio).map((ys) =>
      columns.map((xs) => {
        let sum = 0;
        for (const y of ys) for (const x of xs) sum += between(map, y, x);
        return sum / (ratio * ratio);
      }),
    );
  }

  const [H, W, SIDE, LEFT, TOP] = [8, 10, 32, 10, 26];
  // A smooth map, 0 to 9.
  const features = Array.from({ length: H }, (_, i) =>
    Array.from({ length: W }, (_, j) => 4.5 + 2.2 * Math.sin(i / 1.5) + 2.2 * Math.cos(j / 2)),
  );

  live.define("roi", { roiPool, roiAlign, features }, (frame) => {
    const size = [4.2, 3.4];
    let [x, y, count] = [2.4, 2.2, 2];
    let before = null;
    frame.slider("bins along a side", 1, 4, count, (value) => draw((count = value)));
    frame.slider("box, from the left", 0, W - size[0], x, (value) => draw((x = value)), 0.1);
    frame.slider("box, from the top", 0, H - size[1], y, (value) => draw((y = value)), 0.1);

    function move(dx, dy) {
      x = clip(Math.round(10 * (x + dx)) / 10, 0, W - size[0]);
      y = clip(Math.round(10 * (y + dy)) / 10, 0, H - size[1]);
      const [, left, top] = frame.controls.querySelectorAll("input");
      [left.value, top.value] = [x, y];
      left.nextElementSibling.textContent = left.value;
      top.nextElementSibling.textContent = top.value;
      draw();
    }

    const words = "A map of 8 x 10 cells with a box, and the outputs of ROI Pool and ROI Align";
    const svg = frame.canvas(560, 300, words);
    svg.setAttribute("role", "group");
    const ground = live.shape(svg, "g", {});
    live.text(ground, LEFT, 18, "feature map, and the box");
    live.cells(ground, LEFT, TOP, SIDE, features, (v) => v / 9, 0);
    const rounded = live.shape(svg, "rect", { class: "live-rounded" });
    const box = live.shape(svg, "rect", { class: "live-box", tabindex: 0, role: "button" });
    const outputs = live.shape(svg, "g", {});
    const arrows = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    box.addEventListener("keydown", (event) => {
      if (!arrows[event.key]) return;
      event.preventDefault();
      move(...arrows[event.key]);
    });
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      before = [event.clientX, event.clientY, x, y];
    });
    box.addEventListener("pointermove", (event) => {
      if (!before) return;
      const cell = (svg.getBoundingClientRect().width / 560) * SIDE;
      move(before[2] - x + (event.clientX - before[0]) / cell, before[3] - y + (event.clientY - before[1]) / cell);
    });
    for (const ending of ["pointerup", "pointercancel"]) box.addEventListener(ending, () => (before = null));

    function place(node, [x1, y1, x2, y2]) {
      node.setAttribute("x", LEFT + x1 * SIDE);
      node.setAttribute("y", TOP + y1 * SIDE);
      node.setAttribute("width", (x2 - x1) * SIDE);
      node.setAttribute("height", (y2 - y1) * SIDE);
    }

    function draw() {
      const corners = [x, y, x + size[0], y + size[1]];
      const cells = corners.map(nearest);
      place(box, corners);
      place(rounded, [cells[0], cells[1], cells[2] + 1, cells[3] + 1]);
      const pooled = roiPool(features, corners, count);
      const aligned = roiAlign(features, corners, count, 2);
      outputs.textContent = "";
      const side = 100 / count;
      live.text(outputs, 370, 18, "ROI Pool");
      live.cells(outputs, 370, TOP, side, pooled, (v) => v / 9, 2);
      live.text(outputs, 370, 158, "ROI Align");
      live.cells(outputs, 370, 166, side, aligned, (v) => v / 9, 2);
      const where = corners.map((v) => v.toFixed(1)).join(", ");
      box.setAttribute("aria-label", `box from ${where}; arrow keys move it by a tenth of a cell`);
      frame.says(
        `Box (${where}) is rounded to cells ${cells.join(", ")}. First bin: ROI Pool ${pooled[0][0].toFixed(2)}, ` +
          `ROI Align ${aligned[0][0].toFixed(2)}.`,
      );
    }
    draw();
  });
})(globalThis.live);
