// The menus Columns and what the width of the window hides: hidden columns are cleared in the menu
// and counted on its button. Columns that the user has selected are always shown.
const openers = () => [...document.querySelectorAll("[data-columns-of]")];
const menuOf = (opener) => document.getElementById(opener.getAttribute("popovertarget"));
const isHidden = (pane, key) => {
  const cell = pane.querySelector(`tbody .c-${key}`) ?? pane.querySelector(`thead .c-${key}`);
  return Boolean(cell) && !cell.checkVisibility() && cell.closest("table").checkVisibility();
};
const update = (opener) => {
  const pane = document.querySelector(opener.dataset.columnsOf), menu = menuOf(opener);
  if (!pane || !menu) return;
  const boxes = [...menu.querySelectorAll("input[name=column]")];
  const hidden = boxes.filter((box) => isHidden(pane, box.value));
  const note = opener.querySelector("[data-hidden-columns]");
  const text = hidden.length ? note.dataset.text.replace("{n}", hidden.length) : "";
  if (note.textContent !== text) note.textContent = text;
  menu.querySelector("[data-narrow]").hidden = !hidden.length;
  if (!menu.matches(":popover-open")) hidden.forEach((box) => { box.checked = false; });
};
// A wider window shows a column again: its box follows, unless the menu is open.
const refresh = () => openers().forEach((opener) => {
  const menu = menuOf(opener);
  // A button of the form is named reset, too.
  if (menu && !menu.matches(":popover-open")) HTMLFormElement.prototype.reset.call(menu.querySelector("form"));
  update(opener);
});
// The observer is called first when the page has its layout, so nothing forces another one.
new ResizeObserver(refresh).observe(document.querySelector("#main"));
let isDue = false;
document.body.addEventListener("htmx:afterSettle", () => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; refresh(); });
});
