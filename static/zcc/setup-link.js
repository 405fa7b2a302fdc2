// The code of a setup link is after the hash, which browsers do not send: it reaches no log and no
// Referer. It is removed from the address and the history, and submitted in the form.
const code = location.hash.slice(1), form = document.querySelector("#setup-code");
if (code && form) {
  history.replaceState(null, "", location.pathname);
  form.elements.code.value = code;
  form.requestSubmit();
}
