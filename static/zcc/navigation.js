// Keys that open the search, and the arrow keys that select a result.
const SLASH_IS_OFF = "zcc-no-slash";
const ENTRY_FIELDS = "input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable]";

const isSearchKey = (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.key === "/") return isPlain && !event.target.closest(ENTRY_FIELDS) && !localStorage.getItem(SLASH_IS_OFF);
  return event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
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
