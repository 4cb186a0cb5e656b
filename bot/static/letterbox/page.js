// Shared by the page's scripts: sections, phrases in both languages, requests.

export const $ = (id) => document.getElementById(id);
const SECTIONS = document.querySelectorAll("main > section, #loading");
const phrases = $("phrases").content;
const REASONS = ["none", "adoption", "altered", "expired", "readers"];

export const language = () => document.documentElement.dataset.language;

// ---------------------------------------------------------------- languages

// The page's phrases in Spanish, in the order of the list with their English, which is loaded for who chooses it.
const shipped = [document, phrases].flatMap((root) => [...root.querySelectorAll("span[lang=es]")]);
const shown = new WeakMap(); // phrase on the page -> its key and values

// Switches the page to es or en. While something is sealed or sent nothing is loaded. Without English, Spanish stays.
export async function setLanguage(chosen) {
  if (document.querySelector("[aria-disabled=true]")) return;
  $("no-english").hidden = chosen === "es" || (await addEnglish());
  if (!$("no-english").hidden) chosen = "es";
  document.documentElement.dataset.language = document.documentElement.lang = chosen;
  document.title = $("title").querySelector(`[lang=${chosen}]`).textContent;
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === chosen));
  }
}

async function addEnglish() {
  if (phrases.querySelector("[lang=en]")) return true;
  const { status, content } = await request("/c/english/" + document.documentElement.dataset.english);
  if (status !== 200 || phrases.querySelector("[lang=en]")) return status === 200;
  const rendered = [...document.querySelectorAll("span[lang=es]")].filter((span) => shown.has(span));
  for (const [at, span] of shipped.entries()) span.after(inLanguage("en", content[at]));
  for (const span of rendered) span.after(phrase(...shown.get(span)).lastChild);
  return true;
}

export function inLanguage(language, text) {
  const span = element("span", text);
  span.lang = language;
  return span;
}

// Returns a phrase, in both languages once there is English, with its blanks filled; a value may be a function of the
// language.
export function phrase(key, values = {}) {
  const copy = phrases.getElementById("say-" + key).cloneNode(true);
  for (const span of copy.children) {
    for (const [name, value] of Object.entries(values)) {
      const text = typeof value === "function" ? value(span.lang) : String(value);
      span.textContent = span.textContent.split(`{${name}}`).join(text);
    }
  }
  shown.set(copy.firstChild, [key, values]);
  const fragment = document.createDocumentFragment();
  fragment.append(...copy.children);
  return fragment;
}

// A phrase, or what stands for one, as text.
export const textIn = (said, chosen = language()) =>
  typeof said === "string" ? said : said.querySelector(`[lang=${chosen}]`).textContent;
export const textOf = (key) => textIn(phrase(key));

const written = (moment, options) => (language) =>
  new Intl.DateTimeFormat(language === "en" ? "en" : "es-MX", { dateStyle: "long", ...options }).format(new Date(moment));

export const longDay = (day) => written(day + "T12:00:00Z", { timeZone: "UTC" });

// What a refusal names besides: of one that holds for a while only, the moment from which it no longer does.
export const valuesOf = ({ at }) => (at ? { at: written(at, { timeStyle: "short" }) } : {});

// Puts a phrase into the element; without a key, clears it.
export function showPhrase(id, key = "", values = {}) {
  $(id).replaceChildren(...(key ? [phrase(key, values)] : []));
}

export function element(name, ...content) {
  const created = document.createElement(name);
  created.append(...content);
  return created;
}

// Shows one section and hides the others; focuses its heading, so that a screen reader begins there. What was written and
// not sent can still be copied where its form is gone.
export function show(id) {
  for (const section of SECTIONS) section.hidden = section.id !== id;
  const unsent = ["text", "reply-text"].map((field) => $(field).value.trim()).find(Boolean);
  $("kept").hidden = !unsent || !["altered", "wrong-key"].includes(id);
  $("kept-text").value = unsent || "";
  scrollTo(0, 0);
  $(id + "-title")?.focus({ preventScroll: true });
}

// Fails closed: removes the letters and shows that letters or keys do not verify.
export function showAltered(what) {
  $("altered-letters").hidden = what !== "letters";
  $("altered-keys").hidden = what !== "keys";
  $("letters").replaceChildren();
  show("altered");
}

// Shows why no new case is taken; a reason that the page does not know gets the words of an unfinished set-up.
export function showClosed(reason) {
  showPhrase("closed-reason", REASONS.includes(reason) ? "closed_" + reason : "closed_none");
  show("closed");
}

// While `work` runs, the form's button shows the phrase `key` and cannot be pressed again.
export async function busy(form, key, work) {
  const button = form.querySelector("button.main");
  if (button.getAttribute("aria-disabled") === "true") return;
  const label = [...button.childNodes];
  button.setAttribute("aria-disabled", "true");
  button.replaceChildren(phrase(key));
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
    button.replaceChildren(...label);
  }
}

// Returns { status, content }; status 0: no response, so it is unknown whether the request arrived.
export async function request(path, body = null) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 30000);
  const options = { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal: abort.signal };
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
