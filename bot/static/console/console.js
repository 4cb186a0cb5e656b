// The entry script: initialises each page as it appears. htmx swaps pages in place, so that the keys in vault.js
// survive navigation; a full page load discards them.

import { acknowledgeChanges, renderChanges } from "./changes.js";
import { confirm } from "./confirmation.js";
import { acknowledgeFailures, renderFailures } from "./failures.js";
import { acknowledge, showFindings } from "./findings.js";
import { $, announce, main, post, show, showMessage } from "./page.js";
import { keys, lock } from "./vault.js";
import * as account from "./account.js";
import * as cases from "./case.js";
import * as custodian from "./custodian.js";
import * as custody from "./custody.js";
import { departed, forgetDepartures, showDepartures } from "./departures.js";
import * as handover from "./handover.js";
import * as readers from "./keys.js";
import * as lost from "./lost.js";
import { copyAddress, refuseInside } from "./inside.js";
import { guardMarkup } from "./markup.js";
import * as recovery from "./recovery.js";
import * as signin from "./signin.js";
import * as signup from "./signup.js";
import * as succession from "./succession.js";
import { listen, tellSignedOut } from "./tabs.js";
import { remember } from "./trust.js";

const PAGES = {
  signin: signin.wire,
  signup: signup.wire,
  lost: lost.wire,
  account: account.wire,
  case: cases.wire,
  handover: handover.wire,
  keys: readers.wire,
  waiting: readers.wireWaiting,
  succession: succession.wire,
  custody: custody.wire,
  custodian: custodian.wire,
  recovery: recovery.wire,
};

guardMarkup();
let wired = null;

function wire() {
  if (wired === main()) return;
  const isFirst = wired === null;
  wired = main();
  document.documentElement.lang = wired.dataset.language;
  if (refuseInside()) return;
  if (!isFirst) $("#page h1")?.focus();
  const { officer } = wired.dataset;
  if (officer && keys() && keys().id !== officer) lock(); // another officer has signed in meanwhile
  showLock();
  showFindings();
  renderChanges();
  renderFailures();
  showDepartures();
  PAGES[wired.dataset.page]?.();
}

function showLock() {
  const button = $('[data-action="lock"]');
  if (button) show(button, Boolean(keys()));
}

// The notebook drops the cases that one no longer reads; where it cannot be stored the lines stay.
async function acknowledgeDepartures() {
  try {
    await remember(null, departed());
    forgetDepartures();
    $("#page h1")?.focus();
  } catch (error) {
    announce(error.key ?? "failed");
  }
}

async function signOut() {
  tellSignedOut();
  lock();
  await post("/console/signout", {}).catch(() => {});
  location.assign("/console/signin"); // a full load: nothing stays in the tab's memory
}

// Locks this tab where its officer is not signed in any more, and says so where it asks for the words.
function lockUnless(officer) {
  if (!keys() || keys().id === officer) return;
  const reason = officer ? "other_officer" : "signed_out_elsewhere";
  lock();
  announce(reason);
  const says = $("#unlock-says");
  if (says) showMessage(says, reason);
}

document.addEventListener("click", (event) => {
  const languageLink = event.target.closest("a[hreflang]");
  if (languageLink) languageLink.hash = location.hash; // the token of an invite survives a change of language
  const action = event.target.closest("[data-action]")?.dataset.action;
  if (action === "lock") lock();
  if (action === "acknowledge") acknowledge();
  if (action === "acknowledge-changes") acknowledgeChanges();
  if (action === "acknowledge-failures") acknowledgeFailures();
  if (action === "departed") acknowledgeDepartures();
  if (action === "confirm-unit") confirm();
  if (action === "signout") signOut();
  if (action === "copy-address") copyAddress();
  if (action === "print") window.print();
});

document.addEventListener("change", (event) => {
  const { shows } = event.target.dataset;
  if (shows) document.getElementById(shows).classList.toggle("shown", event.target.checked);
});

document.addEventListener("console:locked", () => {
  showLock();
  announce("locked");
});
listen(lockUnless);
document.addEventListener("console:unlocked", showLock);
document.addEventListener("htmx:afterSettle", wire);
// Another link pasted into the same tab changes the fragment only, which loads nothing by itself.
addEventListener("hashchange", () => {
  if (location.hash.includes("u=")) location.reload();
});
wire();
