// Passkeys (WebAuthn). A button asks the console for a challenge, the browser asks the authenticator,
// and the response is submitted with the form, in a hidden field. Bytes are Base64url in JSON.
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decodeIds = (list = []) => list.map((one) => ({ ...one, id: decode(one.id) }));

const create = (options) => navigator.credentials.create({ publicKey: {
  ...options,
  challenge: decode(options.challenge),
  user: { ...options.user, id: decode(options.user.id) },
  excludeCredentials: decodeIds(options.excludeCredentials),
} });
const get = (options) => navigator.credentials.get({ publicKey: {
  ...options,
  challenge: decode(options.challenge),
  allowCredentials: decodeIds(options.allowCredentials),
} });
const FIELDS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature"];
const serialize = ({ id, rawId, type, response }) => JSON.stringify({
  id,
  rawId: encode(rawId),
  type,
  response: Object.fromEntries(FIELDS.filter((name) => response[name]).map((name) => [name, encode(response[name])])),
});

const requestOptions = async (button, form) => {
  const token = form.elements.csrfmiddlewaretoken.value;
  const response = await fetch(button.dataset.url, { method: "POST", headers: { Accept: "application/json", "X-CSRFToken": token } });
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) throw new Error(button.dataset.failed);
  const options = await response.json();
  if (options.error) throw new Error(options.error);
  return options;
};
const describe = (error, { dataset }) => ({
  NotAllowedError: dataset.stopped,
  AbortError: dataset.stopped,
  InvalidStateError: dataset.existing,
  SecurityError: dataset.unsupported,
  TypeError: dataset.failed,
}[error.name] ?? error.message);

const run = async (button) => {
  const form = button.form, status = button.parentElement.querySelector("[data-passkey-status]");
  const target = document.getElementById(button.dataset.target);
  const isNew = button.dataset.passkey === "create";
  const say = (text, isError) => { status.textContent = text; status.classList.toggle("error", isError); };
  target.value = "";
  if (isNew && !form.reportValidity()) return;
  if (!globalThis.PublicKeyCredential) { say(button.dataset.unsupported, true); return; }
  say("", false);
  try {
    const options = await requestOptions(button, form);
    target.value = serialize(await (isNew ? create : get)(options));
  } catch (error) {
    say(describe(error, button), true);
    return;
  }
  if ("submits" in button.dataset) { form.noValidate = true; form.requestSubmit(); }
  else say(button.dataset.done, false);
};
// The Enter key submits a form without a click.
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("[data-passkey=create]");
  if (button && !document.getElementById(button.dataset.target).value) { event.preventDefault(); run(button); }
}, true);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-passkey]");
  if (button) run(button);
});
