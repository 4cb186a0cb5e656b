// The console's one script: wires each page as it appears. Pages are exchanged in place (htmx), so that the keys
// in vault.js outlive a click; a real page load forgets them.

import { $, announce, main, post, show } from "./page.js";
import { keys, lock } from "./vault.js";
import * as cases from "./case.js";
import * as readers from "./keys.js";
import * as signin from "./signin.js";
import * as signup from "./signup.js";

const PAGES = { signin: signin.wire, signup: signup.wire, case: cases.wire, keys: readers.wire, waiting: readers.wireWaiting };

let wired = null;

function wire() {
  if (wired === main()) return;
  const isFirst = wired === null;
  wired = main();
  document.documentElement.lang = wired.dataset.language;
  if (!isFirst) $("h1")?.focus();
  showLock();
  PAGES[wired.dataset.page]?.();
}

function showLock() {
  const button = $('[data-deed="lock"]');
  if (button) show(button, Boolean(keys()));
}

async function signOut() {
  lock();
  await post("/console/signout", {}).catch(() => {});
  location.assign("/console/signin"); // a real load: nothing of the tab's memory stays
}

document.addEventListener("click", (event) => {
  const other = event.target.closest("a[hreflang]");
  if (other) other.hash = location.hash; // an invite stays an invite in the other language
  const deed = event.target.closest("[data-deed]")?.dataset.deed;
  if (deed === "lock") lock();
  if (deed === "signout") signOut();
  if (deed === "print") window.print();
});

document.addEventListener("change", (event) => {
  const { shows } = event.target.dataset;
  if (shows) document.getElementById(shows).type = event.target.checked ? "text" : "password";
});

document.addEventListener("console:locked", () => {
  showLock();
  announce("locked");
});
document.addEventListener("console:unlocked", showLock);
document.addEventListener("htmx:afterSettle", wire);
wire();
