"use strict";

// The page reads without this script. It adds a filter of what stands below it.
const field = document.getElementById("text");
// A finding has the words of its kind, too.
const textOf = (element) => `${element.textContent} ${element.closest(".of-kind")?.firstElementChild.textContent ?? ""}`.toLowerCase();
const rows = [...document.querySelectorAll("[data-row]")].map((element) => ({ element, text: textOf(element) }));
const parts = [...document.querySelectorAll("[data-part]")].map((element) => ({
  element,
  rows: rows.filter((row) => element.contains(row.element)),
  left: element.querySelector("[data-left]"),
  isOpen: element.open,
}));
// Findings that say the same share a row.
const total = (those) => those.reduce((sum, row) => sum + Number(row.element.dataset.row), 0);

function filter() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.element.hidden = !words.every((word) => row.text.includes(word));
  for (const { element, rows: its, left, isOpen } of parts) {
    const number = total(its.filter((row) => !row.element.hidden));
    left.textContent = words.length ? `(${number.toLocaleString("en")} of ${total(its).toLocaleString("en")} shown)` : "";
    if (element.matches(".family, .of-kind")) {
      element.hidden = number === 0;
      element.open = words.length ? number > 0 : isOpen;
    }
  }
  // On paper, too, a part must not pass for the whole.
  document.getElementById("shown").textContent = words.length ? `What follows is only what has the text "${field.value.trim()}".` : "";
}

let waiting = 0;
field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(filter, 120);
});
document.getElementById("filter").hidden = false;
filter();
