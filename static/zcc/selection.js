// The selection of servers: kept over paging, sorting and filtering, sent with the form; or all
// that match the filter, but for those whose mark was taken off. The server says which acts suit.
const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
const picked = new Set(), but = new Set();
let every = null, anchor = null, told = "", menuOpen = false;
const boxes = () => $$("input[name=ids][type=checkbox]");
const form = () => $("#servers-form");
const has = (value) => (every ? !but.has(value) : picked.has(value));
const count = () => (every ? every.total - but.size : picked.size);
const say = (text) => document.dispatchEvent(new CustomEvent("zcc:announce", { detail: { text } }));

// The boxes of this page travel by themselves; what else is selected travels in one hidden field.
const send = () => {
  const here = new Set(boxes().map((box) => box.value));
  const others = [...picked].filter((value) => !here.has(value));
  const fields = every ? { scope: "all", q: every.q, state: every.state, except: [...but].join() } : { ids: others.join() };
  $$("input[data-sent]", form()).forEach((field) => field.remove());
  for (const [name, value] of Object.entries(fields)) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name, value });
    field.dataset.sent = "";
    form().append(field);
  }
};
// What nothing selected means is known here; everything else is asked of the server.
const shut = () => {
  $$("[data-act]", form()).forEach((button) => {
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-describedby", "why-select");
  });
};
const ask = () => {
  const now = every ? JSON.stringify([every, [...but]]) : [...picked].sort().join();
  if (now === told) return;
  told = now;
  if (count()) document.body.dispatchEvent(new Event("zcc:picked"));
};
const paint = () => {
  const bar = form(), n = count();
  if (!bar) return;
  const list = boxes(), all = $("[data-check-all]");
  list.forEach((box) => { box.checked = has(box.value); });
  send();
  $("[data-selected]", bar).textContent = (every && !but.size ? bar.dataset.every : n ? bar.dataset.some : bar.dataset.none).replace("{n}", n);
  $("[data-clear]", bar).hidden = !n;
  $("[data-export]", bar).disabled = !n;
  const whole = list.length > 0 && list.every((box) => box.checked);
  $("[data-all]", bar).hidden = Boolean(every) || !whole || +bar.dataset.total <= list.length;
  if (!n) shut();
  ask();
  if (!all) return;
  all.checked = whole;
  all.indeterminate = !whole && list.some((box) => box.checked);
};
const clear = () => { picked.clear(); but.clear(); every = null; };
const pick = (list, on) => {
  list.forEach(({ value }) => { if (every ? on : !on) (every ? but : picked).delete(value); else (every ? but : picked).add(value); });
  if (!count()) clear();
  paint();
};
const pickEvery = () => {
  const { q, state, total } = form().dataset;
  clear();
  every = { q, state, total: +total };
  paint();
  say($("[data-selected]", form()).textContent);
  $("[data-clear]", form()).focus();
};
document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.matches("input[name=ids][type=checkbox]")) {
    const list = boxes(), range = event.shiftKey && list.includes(anchor);
    const [from, to] = range ? [list.indexOf(anchor), list.indexOf(box)].sort((a, b) => a - b) : [list.indexOf(box), list.indexOf(box)];
    anchor = box;
    pick(list.slice(from, to + 1), box.checked);
  } else if (box.matches("[data-check-all]")) pick(boxes(), box.checked);
  else if (box.closest("[data-all]")) pickEvery();
  else if (box.closest("[data-clear]")) { clear(); paint(); boxes()[0]?.focus(); }
  else if (box.closest(".menu button:not([aria-disabled=true])")) {
    const menu = box.closest("[popover]");
    setTimeout(() => menu.hidePopover()); // the form is sent first: it has to know its button
  }
});

// A menu that is open stays open while what is in it is brought up to date.
document.addEventListener("toggle", (event) => { if (event.target.id === "actions") menuOpen = event.newState === "open"; }, true);

// After a swap the marks are set again; "all that match" means those of the filter it was said of.
const follow = () => {
  const bar = form();
  if (bar && every && (bar.dataset.q !== every.q || bar.dataset.state !== every.state)) { clear(); say(bar.dataset.cleared); }
  else if (bar && every) every.total = +bar.dataset.total;
  told = "";
  paint();
  setTimeout(() => { told = ""; ask(); }, 100); // what was swapped in listens a moment later
};
const replaced = (node) => node.id === "servers-table" || node.id === "servers-pane";
new MutationObserver((changes) => {
  const added = changes.flatMap((change) => [...change.addedNodes]);
  if (added.some(replaced)) follow();
  else if (changes.some((change) => change.target.id === "servers-acts")) {
    if (!count()) shut();
    if (menuOpen) $("#actions").showPopover();
  }
}).observe($("#main"), { childList: true, subtree: true });
boxes().forEach((box) => { if (box.checked) picked.add(box.value); });
paint();
