// Shared by the live figures: a figure's frame, its controls, and drawing in SVG. No framework, nothing from other hosts.
(function (root) {
  "use strict";
  if (root.live) return; // a page with several figures names this file more than once
  const live = (root.live = {});
  const SVG = "http://www.w3.org/2000/svg";
  const LITTLE_MOTION = "(prefers-reduced-motion: reduce)";

  // Each figure hands over its arithmetic, pure functions that a test can call, and a function that draws it.
  live.define = function (name, arithmetic, draw) {
    live[name] = arithmetic;
    if (!root.document) return;
    for (const figure of root.document.querySelectorAll(`[data-figure="${name}"]`)) draw(new Frame(figure));
  };

  live.still = () => root.matchMedia(LITTLE_MOTION).matches;

  function element(parent, tag, attributes, text) {
    const node = root.document.createElement(tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }

  // The controls stand in a row, the drawing below them, and under it a sentence that is read out when it changes.
  class Frame {
    constructor(figure) {
      this.figure = figure;
      this.controls = element(figure, "div", { class: "live-controls" });
      this.drawing = element(figure, "div", { class: "live-drawing", tabindex: 0, role: "group", "aria-label": "drawing" });
      this.sentence = element(figure, "p", { class: "live-says", "aria-live": "polite" });
    }

    // A slider with its name and its value; `changed` receives the number.
    slider(name, least, most, value, changed, step = 1) {
      const label = element(this.controls, "label", {}, `${name} `);
      const input = element(label, "input", { type: "range", min: least, max: most, step, value, "aria-label": name });
      const shown = element(label, "output", {}, value);
      input.addEventListener("input", () => {
        shown.textContent = input.value;
        changed(Number(input.value));
      });
      return input;
    }

    choice(name, options, changed) {
      const label = element(this.controls, "label", {}, `${name} `);
      const select = element(label, "select", { "aria-label": name });
      options.forEach((text, k) => element(select, "option", { value: k }, text));
      select.addEventListener("change", () => changed(Number(select.value)));
      return select;
    }

    button(name, pressed) {
      const button = element(this.controls, "button", { type: "button" }, name);
      button.addEventListener("click", pressed);
      return button;
    }

    // An empty drawing of that size, in units that scale with the page; `words` say what it shows.
    canvas(width, height, words) {
      this.drawing.textContent = "";
      const svg = live.shape(this.drawing, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });
      svg.style.maxWidth = `${width}px`;
      svg.style.minWidth = `${Math.min(width, 420)}px`; // numbers stay legible; a narrow window scrolls
      return svg;
    }

    says(text) {
      if (this.sentence.textContent !== text) this.sentence.textContent = text;
    }
  }

  live.shape = function (parent, tag, attributes, text) {
    const node = root.document.createElementNS(SVG, tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  };

  // A map of numbers as cells of `side`: shade from 0 (ground) to 1 (full), and the number where `digits` is not negative.
  live.cells = function (svg, x, y, side, rows, shade, digits = -1) {
    rows.forEach((row, i) =>
      row.forEach((value, j) => {
        const part = Math.max(0, Math.min(1, shade(value, i, j)));
        const cell = live.shape(svg, "rect", { x: x + j * side, y: y + i * side, width: side, height: side, class: "live-cell" });
        cell.style.fillOpacity = part;
        if (digits < 0) return;
        const at = { x: x + (j + 0.5) * side, y: y + (i + 0.5) * side, class: part > 0.65 ? "live-on" : "live-number" };
        const text = live.shape(svg, "text", at, value.toFixed(digits));
        text.style.fontSize = `${Math.min(13, side * 0.42)}px`;
      }),
    );
  };

  live.text = (svg, x, y, words) => live.shape(svg, "text", { x, y, class: "live-text" }, words);
})(globalThis);
