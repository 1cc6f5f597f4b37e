// Reveals the Print buttons, which could do nothing without it.
(() => {
  "use strict";
  document.documentElement.dataset.printing = "possible";
  document.addEventListener("click", (event) => {
    if (event.target.closest("button[data-print]")) window.print();
  });
})();
