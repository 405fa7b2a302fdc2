// Links that load a part of the page, of which a table has many: htmx would prepare each of them
// when the page is loaded. It reports a request that fails with an event.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-load]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  htmx.ajax("GET", link.getAttribute("href"), { source: link, event }).catch(() => {});
}, true);

// Keys that open the search, and the arrow keys that select a result.
const SLASH_IS_OFF = "zcc-no-slash";
const ENTRY_FIELDS = "input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable]";

const isSearchKey = (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.key === "/") return isPlain && !event.target.closest(ENTRY_FIELDS) && !localStorage.getItem(SLASH_IS_OFF);
  return event.key?.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
};
const openSearch = () => {
  const field = document.getElementById("search-text");
  if (field) { field.focus(); field.select(); } else document.querySelector("[data-search]")?.click();
};
const selectResult = (event) => {
  const results = [...document.querySelectorAll("#search-results a")];
  const at = results.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
  (results[at] ?? document.getElementById("search-text")).focus();
};
document.addEventListener("keydown", (event) => {
  const isInSearch = event.target.closest("#search-form, #search-results");
  if (isInSearch && ["ArrowDown", "ArrowUp"].includes(event.key)) { event.preventDefault(); selectResult(event); }
  // Another open dialog can contain entries, so it stays.
  else if (isSearchKey(event) && (isInSearch || !document.querySelector("dialog[open]"))) { event.preventDefault(); openSearch(); }
});

// A key without a modifier can be pressed unintentionally by speech input, so it can be turned off.
const slash = document.querySelector("[data-slash]");
if (slash) {
  slash.closest("[hidden]").hidden = false;
  slash.checked = !localStorage.getItem(SLASH_IS_OFF);
  slash.addEventListener("change", () => (slash.checked ? localStorage.removeItem(SLASH_IS_OFF) : localStorage.setItem(SLASH_IS_OFF, "1")));
}

// Entries that could not be submitted because the session had ended. They stay in this tab until the
// same user has logged in again. Passwords, files, and other secrets are not kept, and confirmations
// have to be given again.
const DRAFT = "zcc-draft";
const TEXTS = JSON.parse(document.getElementById("script-texts").textContent);
const NOT_KEPT = "[type=password],[type=file],[type=hidden],[autocomplete=off],[autocomplete=one-time-code],[data-activates]";
const shell = document.getElementById("dialog");
const getPage = () => location.pathname + location.search;
let edited = null;

// A field can have the name "action", so the attribute is read.
const getAction = (form) => new URL(form.getAttribute("action") ?? "", location.href).pathname;
const listEntries = (form) => [...form.elements].filter((field) => field.name && field.matches("input,select,textarea") && !field.matches(NOT_KEPT))
  .map(({ name, value, type, checked }) => ({ name, value, checked: ["checkbox", "radio"].includes(type) ? checked : null }));
const keepDraft = (form, hasEnded) => {
  const isInDialog = shell.contains(form), url = getAction(form);
  const draft = { user: shell.dataset.user, page: getPage(), url, isInDialog, hasEnded, entries: listEntries(form) };
  if (draft.entries.length) sessionStorage.setItem(DRAFT, JSON.stringify(draft));
};
const fill = (form, entries) => {
  for (const { name, value, checked } of entries) {
    const fields = [...form.elements].filter((field) => field.name === name);
    const field = checked === null ? fields[0] : fields.find((one) => one.value === value);
    if (!field || field.matches(NOT_KEPT)) continue;
    if (checked === null) field.value = value; else field.checked = checked;
    for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
  }
  const note = Object.assign(document.createElement("p"), { className: "msg warning restored", textContent: TEXTS.restored });
  note.setAttribute("role", "status");
  (form.querySelector(".body") ?? form).prepend(note);
};
const findForm = (draft, root = document) => [...root.querySelectorAll("form[method=post]")].find((form) => getAction(form) === draft.url && listEntries(form).length);
const restore = (draft) => {
  if (!draft.isInDialog) { const form = findForm(draft); if (form) fill(form, draft.entries); return; }
  const load = ({ detail }) => {
    if (detail.target !== shell) return;
    document.removeEventListener("htmx:afterSwap", load);
    const form = findForm(draft, shell);
    if (form) fill(form, draft.entries);
  };
  document.addEventListener("htmx:afterSwap", load);
  htmx.ajax("GET", draft.url, { target: "#dialog" });
};

document.addEventListener("input", ({ target }) => { if (target.form?.method === "post") edited = target.form; });
// Only the login page knows whether the session had ended when a page without htmx was submitted.
document.addEventListener("submit", ({ target }) => { if (shell && target.method === "post" && !target.closest("[hx-post]")) keepDraft(target, false); });
document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
  if (!detail.xhr.getResponseHeader("HX-Redirect")?.includes("ended=")) return;
  const form = shell?.querySelector("form[method=post]") ?? (edited?.isConnected ? edited : null);
  if (form) keepDraft(form, true);
});
const draft = JSON.parse(sessionStorage.getItem(DRAFT));
if (draft && shell) {
  sessionStorage.removeItem(DRAFT);
  if (draft.hasEnded && draft.user === shell.dataset.user && draft.page === getPage()) addEventListener("load", () => restore(draft));
} else if (draft && document.getElementById("session-ended")) sessionStorage.setItem(DRAFT, JSON.stringify({ ...draft, hasEnded: true }));
