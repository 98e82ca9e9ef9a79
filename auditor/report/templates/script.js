"use strict";
(() => {
  const table = document.querySelector("table.findings");
  if (!table) return; // certificates alone need no help
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const text = document.getElementById("filter-text");
  const verdict = document.getElementById("filter-verdict");
  const shown = document.getElementById("filter-shown");
  document.querySelector(".tools").hidden = false;

  const filter = () => {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      row.hidden = (verdict.value && row.dataset.verdict !== verdict.value) || !wanted.every((word) => content.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  };

  const key = (row, index) => {
    const cell = row.cells[index];
    return "value" in cell.dataset ? (cell.dataset.value === "" ? -Infinity : Number(cell.dataset.value)) : cell.textContent.trim();
  };
  const sort = (header) => {
    const index = header.cellIndex;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    rows.sort((one, two) => {
      const [a, b] = [key(one, index), key(two, index)];
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
    });
    body.append(...rows);
  };

  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => sort(header));
  }
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (rows.includes(target) && target.hidden) {
      text.value = verdict.value = "";
      filter();
      target.scrollIntoView();
    }
    if (target.matches("tr")) target.focus();
  };
  addEventListener("hashchange", reveal);
  text.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  filter();
  reveal();
})();
