// The page's own machinery: sections, phrases in both languages, requests.

export const $ = (id) => document.getElementById(id);
const SECTIONS = document.querySelectorAll("main > section, #loading");
const phrases = $("phrases").content;

export const language = () => document.documentElement.dataset.language;

export function speak(chosen) {
  document.documentElement.dataset.language = document.documentElement.lang = chosen;
  document.title = $("title").querySelector(`[lang=${chosen}]`).textContent;
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === chosen));
  }
}

// A phrase in both languages, its blanks filled; a filling may depend on the language.
export function phrase(key, filling = {}) {
  const copy = phrases.getElementById("say-" + key).cloneNode(true);
  for (const span of copy.children) {
    for (const [name, value] of Object.entries(filling)) {
      const words = typeof value === "function" ? value(span.lang) : String(value);
      span.textContent = span.textContent.split(`{${name}}`).join(words);
    }
  }
  const fragment = document.createDocumentFragment();
  fragment.append(...copy.children);
  return fragment;
}

export const plain = (key, filling) => {
  const fragment = phrase(key, filling);
  return fragment.querySelector(`[lang=${language()}]`).textContent;
};

export const longDay = (day) => (language) =>
  new Intl.DateTimeFormat(language === "en" ? "en" : "es-MX", { dateStyle: "long", timeZone: "UTC" }).format(
    new Date(day + "T12:00:00Z"),
  );

export function say(id, key = "", filling = {}) {
  $(id).replaceChildren(...(key ? [phrase(key, filling)] : []));
}

export function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

// One section at a time; its heading gets the focus, so that a screen reader begins there.
export function show(id) {
  for (const section of SECTIONS) section.hidden = section.id !== id;
  scrollTo(0, 0);
  $(id + "-title")?.focus({ preventScroll: true });
}

export function altered(what) {
  $("altered-letters").hidden = what !== "letters";
  $("altered-keys").hidden = what !== "keys";
  $("letters").replaceChildren();
  show("altered");
}

// While something is under way the button says so and cannot be pressed again.
export async function busy(form, key, work) {
  const button = form.querySelector("button.main");
  if (button.getAttribute("aria-disabled") === "true") return;
  const usual = [...button.childNodes];
  button.setAttribute("aria-disabled", "true");
  button.replaceChildren(phrase(key));
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
    button.replaceChildren(...usual);
  }
}

// { status, content }; status 0: no reply, and nobody knows whether it arrived.
export async function request(path, body = null) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 30000);
  const options = { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal: stop.signal };
  if (body) {
    Object.assign(options, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }
  try {
    const response = await fetch(path, options);
    return { status: response.status, content: await response.json() };
  } catch {
    return { status: 0, content: {} };
  } finally {
    clearTimeout(timer);
  }
}

let list = null;

// The 2,048 words, fetched when they are first needed.
export async function words(sealing) {
  if (!list) {
    const response = await fetch(new URL("../sealing/words.es.txt", import.meta.url), { credentials: "omit" });
    if (!response.ok) throw new Error("words");
    list = sealing.wordList(await response.text());
  }
  return list;
}
