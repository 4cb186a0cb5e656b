// The browser chat with scripts: posts without leaving the page, and shows by itself what is said or edited.
// Without this file every form works too: the server stores, waits a moment for the reply and shows the page again.

const page = document.body;
const log = document.getElementById("log");
const scroller = document.querySelector(".scroller");
const sorry = document.getElementById("sorry");
const typing = document.getElementById("typing");
const menu = document.getElementById("menu");
const words = document.getElementById("text");
const TYPING_ENDS = 6000;

let revision = Number(page.dataset.revision);
let typingTimer = 0;
let awaitsReply = false;

// ---- what stands in the chat

function elementOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

// Puts a bubble in its place; true when it was not there before.
function place(fresh) {
  const id = Number(fresh.dataset.id);
  const old = document.getElementById(fresh.id);
  if (old) {
    if (Number(old.dataset.revision) >= Number(fresh.dataset.revision)) return false;
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (hadFocus) (fresh.querySelector(".key") ?? fresh).focus({ preventScroll: true });
    return false;
  }
  const after = [...log.children].find((bubble) => Number(bubble.dataset.id) > id);
  fresh.classList.add("fresh");
  log.insertBefore(fresh, after ?? null);
  return true;
}

function apply(news) {
  if (news.reset) {
    location.reload();
    return;
  }
  let goesToEnd = isAtEnd();
  let newest = null;
  for (const { html } of news.bubbles) {
    const fresh = elementOf(html);
    const isSaid = fresh.classList.contains("said");
    if (isSaid) showTyping(false);
    // An edit further up leaves the person where they look; what is new below is followed when they asked for it.
    if (!place(fresh)) continue;
    if (!isSaid || awaitsReply) goesToEnd = true;
    newest = isSaid ? fresh : null;
  }
  revision = Math.max(revision, news.revision);
  if (news.bubbles.length) begun();
  if (goesToEnd) toEnd(newest);
}

function begun() {
  document.getElementById("welcome")?.remove();
  document.getElementById("composer").hidden = false;
}

// The scroller is laid out from its end: 0 is the end, whatever is added.
function isAtEnd() {
  return Math.abs(scroller.scrollTop) < 80;
}

// Whoever looks around among earlier messages waits for nothing.
for (const looking of ["wheel", "touchmove"]) {
  scroller.addEventListener(looking, () => (awaitsReply = false), { passive: true });
}

// What is taller than the window is read from its beginning.
function toEnd(newest) {
  scroller.scrollTop = 0;
  const begins = newest?.getBoundingClientRect().top;
  if (begins < scroller.getBoundingClientRect().top) newest.scrollIntoView({ block: "start" });
}

function showTyping(isShown) {
  clearTimeout(typingTimer);
  typing.hidden = !isShown;
  if (isShown) typingTimer = setTimeout(showTyping, TYPING_ENDS, false);
}

// ---- what the person does

function once() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

function deedOf(form, pressed) {
  const deed = Object.fromEntries(new FormData(form, pressed));
  if ("text" in deed && [...deed.text].length > Number(page.dataset.limit)) {
    delete deed.text; // may be confidential: its words do not even leave the browser
    deed.long = true;
  }
  return { ...deed, once: once(), after: revision };
}

async function post(deed) {
  const response = await fetch("/chat/say", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(deed),
  });
  return response.json();
}

async function send(form, pressed) {
  if (form.dataset.busy) return;
  const deed = deedOf(form, pressed);
  if (deed.text === undefined && !deed.long && !deed.command && !deed.choice) return;
  form.dataset.busy = "yes";
  pressed?.setAttribute("aria-busy", "true");
  sorry.textContent = deed.long ? page.dataset.long : "";
  try {
    const news = await post(deed);
    if (news.sorry) {
      sorry.textContent = news.sorry;
      return;
    }
    done(form);
    awaitsReply = true;
    if (!news.bubbles.some(({ html }) => elementOf(html).classList.contains("said"))) showTyping(true);
    apply(news);
  } catch {
    sorry.textContent = page.dataset.offline;
  } finally {
    delete form.dataset.busy;
    pressed?.removeAttribute("aria-busy");
  }
}

function done(form) {
  if (form.contains(words)) words.value = "";
  if (menu.contains(form)) closeMenu();
  if (form.matches(".start")) {
    scroller.focus({ preventScroll: true });
    form.remove();
    history.replaceState(null, "", "/chat");
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-say]")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

// ---- the menu of commands

function closeMenu() {
  const hadFocus = menu.contains(document.activeElement);
  menu.open = false;
  if (hadFocus) menu.querySelector("summary").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu.open) closeMenu();
});
document.addEventListener("click", (event) => {
  if (menu.open && !menu.contains(event.target)) menu.open = false;
});

// ---- what appears by itself

function listen() {
  const events = new EventSource(`/chat/events?after=${revision}`);
  events.addEventListener("message", (event) => apply(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    // The browser asks again by itself, unless the server refused: then the next page load will tell.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
  });
  addEventListener("pagehide", () => events.close(), { once: true });
}

addEventListener("pageshow", (event) => {
  if (event.persisted) listen(); // back from the browser's memory: the stream was closed on leaving
});
listen();
