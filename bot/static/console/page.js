// Shared by every page of the console: its main element, its phrases, messages to the officer, and requests.

export const $ = (selector, within = document) => within.querySelector(selector);
export const main = () => $("main");

export function phrase(key, values = {}) {
  const phrases = JSON.parse(main().dataset.phrases);
  return (phrases[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function show(element, isShown) {
  element.hidden = !isShown;
}

// Shows a phrase in the alert of a form (role="alert"); an empty key clears it.
export function showMessage(element, key = "", values = {}) {
  element.textContent = key ? phrase(key, values) : "";
}

// Announces a phrase to screen readers without moving the focus.
export function announce(key, values = {}) {
  $("#announce").textContent = phrase(key, values);
}

// A day as people read it: 23/11/2026.
export const readable = (day) => day.split("-").reverse().join("/");

// Clones the content of a template and fills the parts that are marked with data-part.
export function filled(template, parts) {
  const element = $(template).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(parts)) $(`[data-part="${name}"]`, element).textContent = text;
  return element;
}

// Lets a link download a text that this page made.
export function offerDownload(link, content) {
  link.href = URL.createObjectURL(new Blob([content], { type: "text/plain;charset=utf-8" }));
}

// Disables the form's buttons while `work` runs; shows an error as a message in `alert` and leaves the typed text alone.
// A button that is disabled loses the focus: it gets it back, unless `work` has given it to something else.
export async function busy(form, alert, work) {
  const [buttons, focused] = [[...form.querySelectorAll("button")], document.activeElement];
  buttons.forEach((button) => (button.disabled = true));
  form.setAttribute("aria-busy", "true");
  showMessage(alert);
  try {
    await work();
  } catch (error) {
    showMessage(alert, error.key ?? "failed", error.values);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
    form.removeAttribute("aria-busy");
    if (document.activeElement === document.body) focused.focus();
  }
}

// Pages follow each other in one document: `work` of a page that was left meanwhile ends here, whatever its outcome, so
// that it shows nothing on the next page and moves on from none.
export async function whileHere(work) {
  const page = main();
  try {
    return await work();
  } finally {
    if (main() !== page) await new Promise(() => {});
  }
}

// Shows what `work` verified, or why not.
export async function showVerified(work) {
  try {
    await whileHere(work);
    show($("#verified"), true);
  } catch (error) {
    show($("#verified"), false);
    showMessage($("#says"), error.key ?? "failed");
  }
}

// An error with the key of the phrase that explains it to the officer, and the values that the phrase names.
export class UserError extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

const BY_KIND = { wrong_key: "wrong_key", expired: "expired", clock: "clock", refused: "refused" };

// Runs one step of verification. Its failure is explained by the phrase of what was verified, but for a wrong key, an
// expired list, a wrong clock and what the rules do not let anyone write.
export async function verifying(key, work) {
  try {
    return await work();
  } catch (error) {
    throw error.kind ? new UserError(BY_KIND[error.kind] ?? key) : error;
  }
}

const WANTED = ["factor", "enrolment"]; // what is still to be shown, or made, besides right words

// For requests that are refused for a while with a sentence of their own: explains 429 by the phrase `key`.
export const laterBy = (key) => (error) => {
  throw error.key === "later" ? new UserError(key, error.values) : error;
};

// Returns { status, body }; body is null unless JSON. Throws UserError when offline, when the session has ended or is
// another officer's by now, and when there were too many attempts. `officer` is whom the page was made for, if anyone.
async function request(path, { headers, ...options }) {
  const { officer } = main().dataset;
  const sent = { Accept: "application/json", ...(officer && { "X-Officer": officer }), ...headers };
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", redirect: "error", headers: sent, ...options });
  } catch {
    throw new UserError("offline");
  }
  const { status } = response;
  const holdsJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
  const body = holdsJson ? await response.json() : null;
  if (status === 401 && !WANTED.includes(body?.error)) throw new UserError("session_over");
  if (status === 409 && body?.error === "officer") throw new UserError("other_officer");
  if (status === 429) throw new UserError("later", { at: momentIn(Number(response.headers.get("Retry-After"))) });
  return { status, body };
}

// The minute that comes after so many seconds, on this device's clock and never too early.
function momentIn(seconds) {
  const minute = 60 * 1000;
  const at = new Date(Math.ceil((Date.now() + seconds * 1000) / minute) * minute);
  return at.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export const get = (path) => request(path, {});

export const post = (path, body) =>
  request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": main().dataset.csrf },
    body: JSON.stringify(body),
  });
