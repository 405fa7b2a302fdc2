// One small module, no inline code: the native <dialog> opens when a swap fills it; theme, clock,
// copy buttons, confirmation boxes, alerts, and the beat at which live panes ask for news.
const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
// The texts of this module and the formats of dates are in the language of the page.
const TEXTS = JSON.parse($("#script-texts").textContent), LANG = document.documentElement.lang;
// English pages show dates as Django does, day first.
const LOCALE = LANG === "en" ? "en-GB" : LANG;
// Formats of dates take long to create, so each is created when it is first used.
const lazy = (create) => { let made; return () => (made ??= create()); };
// The browser needs long to find the name of its time zone: once a day, and when the offset has changed.
const YEAR = 31536000, ZONE_AT = "zcc-zone-at", zoneAt = `${new Date().toDateString()} ${new Date().getTimezoneOffset()}`;
if (localStorage.getItem(ZONE_AT) !== zoneAt || !/(^|; )tz=/.test(document.cookie)) {
  document.cookie = `tz=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; samesite=lax; max-age=${YEAR}`;
  localStorage.setItem(ZONE_AT, zoneAt);
}
if (!navigator.clipboard) document.documentElement.classList.add("no-clipboard");
// The time of the server.
const clock = $("[data-clock]"), skew = clock ? clock.dataset.now * 1000 - Date.now() : 0, getNow = () => Date.now() + skew;

const say = (text) => {
  const live = $("#live");
  if (!live) return;
  live.textContent = "";
  setTimeout(() => { live.textContent = text; }, 50);
};

// A confirmation box makes the other fields active (and its OK button); without this module they
// are active from the start and the server decides.
const activate = (box) => {
  const fields = document.getElementById(box.dataset.activates);
  if (fields) fields.disabled = !box.checked;
  $$(`[data-needs="${box.id}"]`).forEach((button) => {
    if (box.checked) { button.removeAttribute("aria-disabled"); button.removeAttribute("aria-describedby"); $("#tick-first")?.classList.add("vh"); }
    else { button.setAttribute("aria-disabled", "true"); button.setAttribute("aria-describedby", "tick-first"); }
  });
};
// A time that is earlier than the suggested one is warned about as soon as it is typed. A field with
// an error shows only the error.
const warnOfEarly = (field) => {
  const note = document.getElementById(field.dataset.early);
  if (note) note.hidden = !field.value || field.value >= note.dataset.from || field.ariaInvalid === "true";
};
// The chosen time in words, because browsers show day and month in different orders: weekday, date,
// time zone, and the time that remains. The value is in the time zone of the user.
const readZoned = (value, zone) => {
  const wall = Date.parse(`${value}Z`);
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" });
  const offset = (moment) => { const at = Object.fromEntries(parts.formatToParts(moment).map(({ type, value: part }) => [type, +part])); return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute) - moment; };
  return wall - offset(wall - offset(wall));
};
const echo = (field) => {
  const note = document.getElementById(field.dataset.echo);
  if (!note) return;
  const wall = Date.parse(`${field.value}Z`), zone = note.dataset.zone;
  note.hidden = Number.isNaN(wall);
  if (note.hidden) return;
  const words = new Intl.DateTimeFormat(LOCALE, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC" }).format(wall);
  const left = Math.round((readZoned(field.value, zone) - getNow()) / 1000);
  const text = `${words}, ${zone}, ${left > 0 ? TEXTS.in.replace("%s", remaining(left)) : TEXTS.past}`;
  if (note.textContent !== text) note.textContent = text;
};
const prepare = (root) => {
  $$("[data-echo]", root).forEach(echo);
  $$("[data-activates]", root).forEach(activate);
};

const dialog = $("#dialog"), main = $("#main");
const isFocusLost = () => !document.activeElement || document.activeElement === document.body;
let opener;
if (dialog) {
  new MutationObserver(() => {
    if (!dialog.firstElementChild) return;
    prepare(dialog);
    if (!dialog.open) { opener = document.activeElement?.id; dialog.showModal(); }
    ($("[aria-invalid=true]", dialog) || $("[role=alert]", dialog) || $("[autofocus]", dialog) || $("#dialog-title", dialog))?.focus();
  }).observe(dialog, { childList: true });
  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    // The pane of the button that opened the dialog can have been replaced.
    if (isFocusLost()) (document.getElementById(opener) ?? main)?.focus({ preventScroll: true });
  });
}
if (!("commandForElement" in HTMLButtonElement.prototype)) { // Safari < 26.2, Firefox ESR 140
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[command=close]");
    if (button) document.getElementById(button.getAttribute("commandfor"))?.close();
  });
}

// What was corrected is checked when it is submitted again. Until then, it is not shown as wrong.
document.addEventListener("input", ({ target }) => {
  const field = target.closest(".field.err");
  if (!field) return;
  field.classList.remove("err");
  $$("[aria-invalid]", field).forEach((input) => input.removeAttribute("aria-invalid"));
  $$(".error", field).forEach((note) => { note.hidden = true; });
});

const alertUser = ({ explanation, action }) => {
  const text = [explanation, action].filter(Boolean).join(" ");
  const note = Object.assign(document.createElement("p"), { className: "msg error", textContent: text, tabIndex: -1 });
  note.setAttribute("role", "alert");
  const body = dialog?.open && $(".body", dialog);
  if (body) { $(":scope > .msg", body)?.remove(); body.prepend(note); note.focus(); }
  else $("#messages")?.replaceChildren(note);
};
document.addEventListener("zcc:close", () => dialog?.close());
// What a button has done is shown on the page until the next action. Screen readers read it there.
const showResult = (text) => {
  const box = $("#messages"), note = $("#result").content.firstElementChild.cloneNode(true);
  note.prepend(text);
  box.replaceChildren();
  setTimeout(() => box.replaceChildren(note), 50);
};
document.addEventListener("zcc:announce", ({ detail: { text, is_result: isResult } }) => (isResult && $("#messages") ? showResult(text) : say(text)));
document.addEventListener("zcc:fault", (event) => alertUser(event.detail));
const save = (href, download = "") => {
  const link = document.body.appendChild(Object.assign(document.createElement("a"), { href, download }));
  link.click(); link.remove();
};
document.addEventListener("zcc:download", ({ detail }) => save(detail.url));
// A server that does not respond. The note stays on the page, and in the open dialog, until a request
// succeeds. The request that the user made can be sent again, and live panes ask at each beat.
const GET_TIMEOUT = 15000, POST_TIMEOUT = 60000;
let lastResponse = Date.now();
const formatTime = (moment) => new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", timeZone: clock?.dataset.zone }).format(moment);
const probe = () => fetch("/livez", { cache: "no-store" }).then((response) => response.ok && endOutage(), () => {});
const sendAgain = ({ elt, triggeringEvent }) => (elt.matches("form") ? elt.requestSubmit(triggeringEvent.submitter) : elt.click());
const showOutage = (parent, text, again) => {
  $(":scope > .outage", parent)?.remove();
  const note = Object.assign(document.createElement("p"), { className: "msg error outage", textContent: `${TEXTS.outage} ${text} `, tabIndex: -1 });
  const button = Object.assign(document.createElement("button"), { className: "btn small", type: "button", textContent: TEXTS.again });
  note.setAttribute("role", "alert");
  button.addEventListener("click", again);
  note.append(button);
  parent.prepend(note);
  return note;
};
const isByUser = ({ triggeringEvent }) => ["click", "submit"].includes(triggeringEvent?.type);
const reportOutage = (request) => {
  const { elt, verb, triggeringEvent } = request, isAsked = isByUser(request), isInDialog = dialog?.contains(elt);
  const again = () => (isAsked && elt.isConnected ? sendAgain({ elt, triggeringEvent }) : probe());
  if (main && (isAsked || !$(":scope > .outage", main))) showOutage(main, TEXTS.state.replace("%s", formatTime(lastResponse)), isInDialog ? probe : again);
  const body = isAsked && isInDialog && $(".body", dialog);
  if (body) showOutage(body, `${verb === "get" ? "" : `${TEXTS.unknown} `}${TEXTS.kept}`, again).focus();
};
const endOutage = () => {
  lastResponse = Date.now();
  const notes = $$(".outage");
  notes.forEach((note) => note.remove());
  if (notes.length) { say(TEXTS.responding); setTimeout(beatAll); }
};
document.addEventListener("htmx:configRequest", ({ detail }) => { detail.timeout = detail.verb === "get" ? GET_TIMEOUT : POST_TIMEOUT; });
for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, ({ detail }) => reportOutage(detail.requestConfig));
// A proxy responds in place of the server: its page names no fault.
const isFromProxy = ({ xhr }) => [502, 503, 504].includes(xhr.status) && !xhr.getResponseHeader("HX-Trigger");
document.addEventListener("htmx:beforeOnLoad", ({ detail }) => (isFromProxy(detail) ? reportOutage(detail.requestConfig) : endOutage()));
setInterval(() => { if ($(".outage") && !document.hidden) probe(); }, 5000);

const copy = async (button) => {
  await navigator.clipboard.writeText(button.dataset.copy);
  say(TEXTS.copied);
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
};
const switchTheme = () => {
  const root = document.documentElement, auto = !["light", "dark"].includes(root.dataset.theme);
  const dark = root.dataset.theme === "dark" || (auto && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; samesite=lax; max-age=${YEAR}`;
};
const setField = (button) => {
  const field = document.getElementById(button.dataset.set);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
// A file of the selected rows. If the browser itself sent the form, a server that does not respond
// would cost the page and the selection.
const loadFile = async (button) => {
  if (button.classList.contains("htmx-request")) return;
  button.classList.add("htmx-request");
  try {
    const headers = { "HX-Request": "true", "HX-Current-URL": location.href };
    const response = await fetch(button.formAction, { method: "POST", body: new FormData(button.form), headers, signal: AbortSignal.timeout(POST_TIMEOUT) });
    const [name, events, login] = ["Content-Disposition", "HX-Trigger", "HX-Redirect"].map((header) => response.headers.get(header));
    if (login) location.href = login;
    else if (name) save(URL.createObjectURL(await response.blob()), /filename="([^"]+)"/.exec(name)[1]);
    else alertUser(JSON.parse(events)["zcc:fault"]);
    endOutage();
  } catch { reportOutage({ elt: button, verb: "get", triggeringEvent: { type: "click" } }); }
  finally { button.classList.remove("htmx-request"); }
};
document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  const off = at("[aria-disabled=true]");
  if (off) {
    event.preventDefault(); event.stopPropagation();
    const reason = document.getElementById(off.getAttribute("aria-describedby"));
    if (reason?.matches(".prompt")) reason.classList.remove("vh");
    say(reason?.textContent || TEXTS.unavailable);
  } else if (at("[data-dismiss]")) at("p").remove();
  else if (at("[data-copy]")) copy(at("[data-copy]"));
  else if (at("[data-theme-toggle]")) switchTheme();
  else if (at("[data-set]")) setField(at("[data-set]"));
  else if (at("[data-export]")) { event.preventDefault(); loadFile(at("[data-export]")); }
  $$("[data-early]").forEach(warnOfEarly);
  $$("[data-echo]").forEach(echo);
}, true);
document.addEventListener("change", (event) => { if (event.target.matches("[data-activates]")) activate(event.target); });

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-early]")) warnOfEarly(event.target);
  if (event.target.matches("[data-echo]")) echo(event.target);
});

// A live pane is not replaced while a button in it is pressed, while a request of it is open, or while
// its menu Columns is open. The click, the events of the response, and what was selected in the menu
// would be lost. It is loaded afterwards.
const requests = new Set(), held = new Set();
let pressed = null;
const hasOpenMenu = (pane) => $$("[id^=columns-]", pane).some((menu) => menu.matches(":popover-open"));
const isInUse = (pane) => pane.contains(pressed) || hasOpenMenu(pane) || [...requests].some(({ elt }) => pane.contains(elt));
const loadHeld = () => setTimeout(() => {
  const names = [...held];
  held.clear();
  names.forEach((name) => document.body.dispatchEvent(new Event(name)));
});
const release = () => { pressed = null; loadHeld(); };
for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, ({ target, button }) => { if (!button) pressed = target; }, true);
for (const name of ["pointerup", "pointercancel", "keyup"]) document.addEventListener(name, release, true);
window.addEventListener("blur", release);
document.addEventListener("toggle", ({ newState }) => { if (newState === "closed") loadHeld(); }, true);
document.addEventListener("htmx:beforeSend", ({ detail: { requestConfig } }) => {
  if (!isByUser(requestConfig)) return;
  requests.add(requestConfig);
  $$("#messages > .success").forEach((note) => note.remove());
});
document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig } }) => { if (requests.delete(requestConfig)) loadHeld(); });
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { target, requestConfig: { triggeringEvent } } = detail;
  if (!triggeringEvent?.type.startsWith("zcc:") || !detail.shouldSwap) return;
  if (isInUse(target)) { detail.shouldSwap = false; held.add(triggeringEvent.type); }
  const focused = document.activeElement;
  target.focused = target.contains(focused) && { name: nameOf(focused), text: focused.textContent.trim(), isNamed: focused.matches("[href], [aria-label]") };
  target.scrolled = $$(".scroll", target).map(({ scrollLeft: left, scrollTop: top }) => ({ left, top }));
});
// htmx returns the focus to the element with the same ID. Other links and buttons are found by what
// they are, also if their text has changed. Otherwise, the pane itself gets the focus.
const nameOf = (one) => [one.tagName, ...["href", "aria-label", "data-copy"].map((key) => one.getAttribute(key))].join("\n");
const focusIn = (pane, { name, text, isNamed }) => {
  const alike = $$("a, button, input, [tabindex]", pane).filter((one) => nameOf(one) === name);
  let again = alike.find((one) => one.textContent.trim() === text) ?? (isNamed && alike[0]);
  if (!again) { again = pane; pane.tabIndex = -1; }
  again.focus({ preventScroll: true });
};
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  const pane = document.getElementById(target.id);
  if (!pane) return;
  target.scrolled?.forEach((at, n) => { if (at.left || at.top) $$(".scroll", pane)[n]?.scrollTo(at); });
  if (target.focused && isFocusLost()) focusIn(pane, target.focused);
});

// Live panes listen to these beats, or to zcc:revised. A hidden page gets none, and asks when it is
// shown. At each pulse, every page asks whether anything has been recorded. If so, all live panes are loaded.
const beat = (name) => { if (!document.hidden) document.body.dispatchEvent(new Event(name)); };
const beatAll = () => { beat("zcc:tick"); beat("zcc:slow"); };
const PULSE = 4000;
setInterval(() => beat("zcc:pulse"), PULSE);
document.addEventListener("zcc:revised", () => setTimeout(beatAll));
setInterval(() => beat("zcc:tick"), 2000);
setInterval(() => beat("zcc:slow"), 30000);
document.addEventListener("visibilitychange", () => { beatAll(); beat("zcc:pulse"); });

if (clock) {
  const words = lazy(() => new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", timeZone: clock.dataset.zone }));
  setInterval(() => { clock.textContent = words().format(getNow()); }, 10000);
}
// The time that remains until a moment, by the clock of the server. Screen readers are told at ten,
// five, and one minute.
const SAID = [600, 300, 60];
const units = Object.fromEntries(["day", "hour", "minute", "second"].map((unit) => [unit, lazy(() => new Intl.NumberFormat(LANG, { style: "unit", unit, unitDisplay: "short" }))]));
const unit = (n, name) => units[name]().format(n);
const remaining = (s) => {
  if (s >= 172800) return unit(Math.floor(s / 86400), "day");
  const parts = s >= 3600 ? [unit(Math.floor(s / 3600), "hour"), unit(Math.floor(s % 3600 / 60), "minute")] : [unit(Math.floor(s / 60), "minute"), unit(s % 60, "second")];
  return parts.slice(s < 60 ? 1 : 0).join(" ");
};
const count = (time) => {
  time.skew ??= time.dataset.at * 1000 - Date.now();
  const left = Math.round(time.dataset.until - (Date.now() + time.skew) / 1000);
  const text = left > 0 ? time.dataset.words.replace("%s", remaining(left)) : time.dataset.end;
  if (time.textContent !== text) time.textContent = text;
  // A background tab skips seconds.
  const isDue = SAID.some((moment) => left <= moment && time.left > moment);
  time.left = left;
  return isDue && time.dataset.what ? `${time.dataset.what} ${text}` : "";
};
setInterval(() => {
  // A moment that a page shows more than once is said once, in the words of its last place.
  const due = new Map($$("[data-until]").map((time) => [time.dataset.until, count(time)]).filter(([, text]) => text));
  if (due.size) say([...due.values()].join(". "));
}, 1000);
// Times such as "5 minutes ago", in the words of the server.
const LENGTHS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = lazy(() => new Intl.RelativeTimeFormat(LANG, { numeric: "always" }));
const age = (time) => {
  time.skew ??= time.dataset.at * 1000 - Date.now();
  const passed = Math.floor((Date.now() + time.skew) / 1000 - time.dataset.moment);
  const [name, length] = LENGTHS.find(([, seconds]) => Math.abs(passed) >= seconds) ?? LENGTHS.at(-1);
  const n = Math.floor(Math.abs(passed) / length), text = relative().format(passed < 0 ? n : -n, name);
  if (time.textContent !== text) time.textContent = text;
};
setInterval(() => $$("[data-moment]").forEach(age), 1000);

// Times change their text each second, which adds no element.
const hasElement = ({ addedNodes }) => [...addedNodes].some(({ nodeType }) => nodeType === Node.ELEMENT_NODE);
if (main) new MutationObserver((changes) => { if (changes.some(hasElement)) prepare(main); }).observe(main, { childList: true, subtree: true });
prepare(document);
