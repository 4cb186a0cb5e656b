// What every page of the console needs: its element, its phrases, and the two ways of asking the server.

export const $ = (selector, within = document) => within.querySelector(selector);
export const main = () => $("main");

export function say(key, values = {}) {
  const phrases = JSON.parse(main().dataset.phrases);
  return (phrases[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function show(element, isShown) {
  element.hidden = !isShown;
}

// Told below a form (role="alert"); an empty key takes it away.
export function tell(element, key = "", values = {}) {
  element.textContent = key ? say(key, values) : "";
}

// Told to screen readers without moving anything.
export function announce(key, values = {}) {
  $("#announce").textContent = say(key, values);
}

// While `work` runs the form's buttons wait; whatever fails on the way is told, and what was typed stays.
export async function busy(form, says, work) {
  const buttons = [...form.querySelectorAll("button")];
  buttons.forEach((one) => (one.disabled = true));
  form.setAttribute("aria-busy", "true");
  tell(says);
  try {
    await work();
  } catch (fault) {
    tell(says, fault.key ?? "failed");
  } finally {
    buttons.forEach((one) => (one.disabled = false));
    form.removeAttribute("aria-busy");
  }
}

// A fault with the phrase that tells it.
export class Told extends Error {
  constructor(key) {
    super(key);
    this.key = key;
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", redirect: "error", ...options });
  } catch {
    throw new Told("offline");
  }
  if (answer.status === 401) throw new Told("session_over");
  const holdsJson = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
  return { status: answer.status, body: holdsJson ? await answer.json() : null };
}

export const get = (path) => ask(path, { headers: { Accept: "application/json" } });

export const post = (path, body) =>
  ask(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF": main().dataset.csrf },
    body: JSON.stringify(body),
  });
