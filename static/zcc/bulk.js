// The selected rows of a table: kept while the table is refreshed, sorted, and paged, and sent with
// the form. Without this module, the selected rows of the page are sent.
const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)];
const picked = new Set();
const form = () => $("#bulk-form");
const boxes = () => $$("input[name=ids][form=bulk-form]");
const paint = () => {
  const bar = form();
  if (!bar) return;
  const list = boxes(), all = $("[data-check-all]");
  // Without rows, there is nothing to select.
  bar.hidden = !list.length && !picked.size;
  list.forEach((box) => { box.checked = picked.has(box.value); });
  const here = new Set(list.map((box) => box.value)), others = [...picked].filter((value) => !here.has(value));
  bar.querySelector("[data-sent]")?.remove();
  if (others.length) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "ids", value: others.join() });
    field.dataset.sent = "";
    bar.append(field);
  }
  const text = (picked.size ? bar.dataset.some : bar.dataset.none).replace("{n}", picked.size);
  const note = bar.querySelector("[data-selected]");
  if (note.textContent !== text) note.textContent = text;
  bar.querySelector("[data-clear]").hidden = !picked.size;
  bar.querySelectorAll("[data-bulk-action]").forEach((button) => { button.disabled = !picked.size; });
  if (!all) return;
  all.disabled = !list.length;
  all.checked = list.length > 0 && list.every((box) => box.checked);
  all.indeterminate = !all.checked && list.some((box) => box.checked);
};
const pick = (list, on) => {
  list.forEach(({ value }) => { if (on) picked.add(value); else picked.delete(value); });
  paint();
};
document.addEventListener("click", ({ target }) => {
  if (target.matches("input[name=ids][form=bulk-form]")) pick([target], target.checked);
  else if (target.matches("[data-check-all]")) pick(boxes(), target.checked);
  else if (target.closest("#bulk-form [data-clear]")) { picked.clear(); paint(); boxes()[0]?.focus(); }
});
document.body.addEventListener("htmx:afterSettle", paint);
// The action has been performed on the selected rows.
document.body.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (!detail.successful || !target.querySelector?.("input[name=confirmed]")) return;
  picked.clear();
  paint();
});
boxes().forEach((box) => { if (box.checked) picked.add(box.value); });
paint();
