// Reveals the copy buttons, which could do nothing without it, and copies what each one holds.
// They are found by delegation, so that parts which htmx swaps in need no second look.
(() => {
  "use strict";
  if (!navigator.clipboard) return;
  document.documentElement.dataset.copy = "possible";

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy-text]");
    if (!button) return;
    const label = button.querySelector("[data-copy-label]");
    const word = label.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copyText);
      label.textContent = button.dataset.copied;
    } catch {
      label.textContent = button.dataset.failed;
    }
    setTimeout(() => {
      label.textContent = word;
    }, 2000);
  });
})();
