// The selection of servers: kept over paging, sorting and filtering, sent with the form.
const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
const picked = new Set();
let anchor = null;
const boxes = () => $$("input[name=ids][type=checkbox]");

// Servers of other pages travel as hidden fields.
const send = (form) => {
  $$("input[name=ids][type=hidden]", form).forEach((field) => field.remove());
  const here = new Set(boxes().map((box) => box.value));
  picked.forEach((value) => {
    if (!here.has(value)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "ids", value }));
  });
};
const open = (button, works) => {
  if (works) { button.removeAttribute("aria-disabled"); button.removeAttribute("aria-describedby"); }
  else { button.setAttribute("aria-disabled", "true"); button.setAttribute("aria-describedby", button.dataset.why); }
};
const paint = () => {
  const form = $("#servers-form");
  if (!form) return;
  boxes().forEach((box) => { box.checked = picked.has(box.value); });
  send(form);
  $("[data-selected]", form).textContent = picked.size ? `${picked.size} selected` : "No server selected";
  $("[data-clear]", form).hidden = !picked.size;
  $$("[data-min]", form).forEach((button) => open(button, picked.size >= +button.dataset.min));
  const all = $("[data-check-all]"), list = boxes();
  if (!all) return;
  all.checked = list.length > 0 && list.every((box) => box.checked);
  all.indeterminate = !all.checked && list.some((box) => box.checked);
};
const pick = (list, on) => { list.forEach((box) => { if (on) picked.add(box.value); else picked.delete(box.value); }); paint(); };
document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.matches("input[name=ids][type=checkbox]")) {
    const list = boxes(), range = event.shiftKey && list.includes(anchor);
    const [from, to] = range ? [list.indexOf(anchor), list.indexOf(box)].sort((a, b) => a - b) : [list.indexOf(box), list.indexOf(box)];
    anchor = box;
    pick(list.slice(from, to + 1), box.checked);
  } else if (box.matches("[data-check-all]")) pick(boxes(), box.checked);
  else if (box.closest("[data-clear]")) { picked.clear(); paint(); boxes()[0]?.focus(); }
  else if (box.closest(".menu button:not([aria-disabled=true])")) box.closest("[popover]").hidePopover();
});
const replaced = (node) => node.id === "servers-table" || node.id === "servers-pane";
new MutationObserver((changes) => {
  if (changes.some((change) => [...change.addedNodes].some(replaced))) paint();
}).observe($("#main"), { childList: true, subtree: true });
boxes().forEach((box) => { if (box.checked) picked.add(box.value); });
paint();
