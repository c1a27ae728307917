// The receptive field of a chain of layers: its size, the step between neighbouring units, and what the middle unit sees.
(function (live) {
  "use strict";

  // layers: [kernel, stride, dilation]; each adds dilation (kernel - 1) steps of the units below it.
  function grow(layers) {
    let [size, jump] = [1, 1];
    for (const [kernel, stride, dilation] of layers) {
      size += dilation * (kernel - 1) * jump;
      jump *= stride;
    }
    return { size, jump };
  }

  // [first, last] pixel along one axis that unit i sees, with padding dilation (kernel - 1) / 2 rounded down in each layer.
  function sees(layers, i) {
    let [first, last] = [i, i];
    for (const [kernel, stride, dilation] of [...layers].reverse()) {
      const padding = Math.floor((dilation * (kernel - 1)) / 2);
      first = first * stride - padding;
      last = last * stride - padding + dilation * (kernel - 1);
    }
    return [first, last];
  }

  const SIDE = 224;
  const KINDS = [
    ["3x3 convolution", [3, 1, 1]],
    ["3x3 convolution, stride 2", [3, 2, 1]],
    ["3x3 convolution, dilation 2", [3, 1, 2]],
    ["2x2 pooling, stride 2", [2, 2, 1]],
    ["7x7 convolution, stride 2", [7, 2, 1]],
  ];

  // A scene with parts of several sizes, so that one sees what fits into a field.
  function scene(svg) {
    live.shape(svg, "rect", { x: 0, y: 0, width: SIDE, height: SIDE, class: "live-sky" });
    live.shape(svg, "rect", { x: 0, y: 150, width: SIDE, height: 74, class: "live-land" });
    live.shape(svg, "path", { d: "M96 150V96L128 68L160 96V150Z", class: "live-house" });
    live.shape(svg, "rect", { x: 104, y: 106, width: 16, height: 16, class: "live-window" });
    live.shape(svg, "rect", { x: 134, y: 118, width: 14, height: 32, class: "live-window" });
    live.shape(svg, "circle", { cx: 44, cy: 46, r: 18, class: "live-window" });
    live.shape(svg, "path", { d: "M36 150V120M18 124A18 22 0 1 1 54 124Z", class: "live-tree" });
  }

  live.define("field", { grow, sees }, (frame) => {
    let kind = 0;
    let layers = [0, 0, 3, 0, 0, 3, 0, 0, 0].map((k) => KINDS[k][1]); // the first layers of VGG-16
    frame.choice("layer", KINDS.map(([name]) => name), (value) => (kind = value));
    frame.button("Add the layer", () => draw(layers.length < 24 && layers.push(KINDS[kind][1])));
    frame.button("Remove the last", () => draw(layers.pop()));
    frame.button("Start again", () => draw((layers = [])));

    function draw() {
      const { size, jump } = grow(layers);
      const words = `An image of 224 pixels with the square of ${size} pixels that the middle unit sees`;
      const svg = frame.canvas(SIDE, SIDE, words);
      scene(svg);
      const middle = Math.floor(SIDE / jump / 2);
      const [first, last] = sees(layers, middle);
      const begin = Math.max(0, first);
      const side = Math.min(SIDE, last + 1) - begin;
      live.shape(svg, "path", {
        d: `M0 0H${SIDE}V${SIDE}H0ZM${begin} ${begin}v${side}h${side}v${-side}Z`,
        class: "live-shade",
        "fill-rule": "evenodd",
      });
      live.shape(svg, "rect", { x: begin, y: begin, width: side, height: side, class: "live-frame" });
      const share = Math.round((100 * Math.min(size, SIDE)) / SIDE);
      const count = `${layers.length} layer${layers.length === 1 ? "" : "s"}`;
      frame.says(`${count}: a unit sees ${size} pixels, ${share} % of the image's side; neighbouring units lie ${jump} apart.`);
    }
    draw();
  });
})(globalThis.live);
