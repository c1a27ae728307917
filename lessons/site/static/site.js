// Boxes with answers print open; wide tables and code can be scrolled by keyboard.
(function () {
  "use strict";
  const closed = [];
  addEventListener("beforeprint", () => {
    for (const box of document.querySelectorAll("details:not([open])")) {
      closed.push(box);
      box.open = true;
    }
  });
  addEventListener("afterprint", () => {
    for (const box of closed.splice(0)) box.open = false;
  });
  document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("div.highlight pre, .pst-scrollable-table-container")) part.tabIndex = 0;
  });
})();
