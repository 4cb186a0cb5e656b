// The browser chat: posts without leaving the page, and shows new and edited messages as they arrive.
// Every form works without this script too: the server stores the post, waits briefly for the reply and reloads the page.

const page = document.body;
const log = document.getElementById("log");
const scroller = document.querySelector(".scroller");
const errorMessage = document.getElementById("sorry");
const typing = document.getElementById("typing");
const menu = document.getElementById("menu");
const textInput = document.getElementById("text");
const TYPING_MAX = 6000; // ms that the typing indicator stays without a message

let revision = Number(page.dataset.revision);
let typingTimer = 0;
let awaitsReply = false;

// ---- the transcript

// Builds an element from its name, its attributes, and its texts and elements. No text is read as markup: the browser
// refuses that on this page.
function elementOf([name, attributes, ...content]) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...content.map((part) => (typeof part === "string" ? part : elementOf(part))));
  return element;
}

// Inserts a bubble or replaces its older revision; returns whether it is new.
function placeBubble(fresh) {
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

// Shows the bubbles of a server response { revision, bubbles, reset }; `reset`: the chat was emptied.
function applyChanges(changes) {
  if (changes.reset) {
    location.reload();
    return;
  }
  let scrollsToEnd = isAtEnd();
  let newest = null;
  for (const { tree } of changes.bubbles) {
    const fresh = elementOf(tree);
    const isReply = fresh.classList.contains("said");
    if (isReply) showTyping(false);
    // An edit further up does not scroll the page; a new message does if the user is at the end or waits for a reply.
    if (!placeBubble(fresh)) continue;
    if (!isReply || awaitsReply) scrollsToEnd = true;
    newest = isReply ? fresh : null;
  }
  revision = Math.max(revision, changes.revision);
  if (changes.bubbles.length) showComposer();
  if (scrollsToEnd) scrollToEnd(newest);
}

function showComposer() {
  document.getElementById("welcome")?.remove();
  document.getElementById("composer").hidden = false;
}

// The scroller is laid out from its end: scrollTop 0 is the end, also after bubbles are added.
function isAtEnd() {
  return Math.abs(scroller.scrollTop) < 80;
}

// A user who scrolls through earlier messages is not waiting for a reply.
for (const kind of ["wheel", "touchmove"]) {
  scroller.addEventListener(kind, () => (awaitsReply = false), { passive: true });
}

// Scrolls to the end, but to the beginning of a newest message that is taller than the window.
function scrollToEnd(newest) {
  scroller.scrollTop = 0;
  const top = newest?.getBoundingClientRect().top;
  if (top < scroller.getBoundingClientRect().top) newest.scrollIntoView({ block: "start" });
}

function showTyping(isShown) {
  clearTimeout(typingTimer);
  typing.hidden = !isShown;
  if (isShown) typingTimer = setTimeout(showTyping, TYPING_MAX, false);
}

// ---- posting

// A random idempotency key of one post.
function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

function readForm(form, pressed) {
  const fields = Object.fromEntries(new FormData(form, pressed));
  if ("text" in fields && [...fields.text].length > Number(page.dataset.limit)) {
    delete fields.text; // may be confidential: the text does not even leave the browser
    fields.long = true;
  }
  return { ...fields, once: newKey(), after: revision };
}

async function post(fields) {
  const response = await fetch("/chat/say", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  });
  return response.json();
}

async function send(form, pressed) {
  if (form.dataset.busy) return;
  const fields = readForm(form, pressed);
  if (fields.text === undefined && !fields.long && !fields.command && !fields.choice) return;
  form.dataset.busy = "yes";
  pressed?.setAttribute("aria-busy", "true");
  errorMessage.textContent = fields.long ? page.dataset.long : "";
  try {
    const changes = await post(fields);
    if (changes.sorry) {
      errorMessage.textContent = changes.sorry;
      return;
    }
    resetForm(form);
    awaitsReply = true;
    if (!changes.bubbles.some(({ tree }) => elementOf(tree).classList.contains("said"))) showTyping(true);
    applyChanges(changes);
  } catch {
    errorMessage.textContent = page.dataset.offline;
  } finally {
    delete form.dataset.busy;
    pressed?.removeAttribute("aria-busy");
  }
}

function resetForm(form) {
  if (form.contains(textInput)) textInput.value = "";
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

// ---- server-sent events

function listen() {
  const events = new EventSource(`/chat/events?after=${revision}`);
  events.addEventListener("message", (event) => applyChanges(JSON.parse(event.data)));
  events.addEventListener("news", () => (document.getElementById("news").hidden = false));
  events.addEventListener("error", () => {
    // The browser reconnects by itself unless the server refused the stream; then try again in ten seconds.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
  });
  addEventListener("pagehide", () => events.close(), { once: true });
}

addEventListener("pageshow", (event) => {
  if (event.persisted) listen(); // restored from the back/forward cache: the stream was closed on leaving
});
listen();
