// Sign-in: words and second factor open the officer's keys in this tab; then notebook and lists are verified before
// anything is shown.

import { supported } from "../sealing/words.js";
import { askIn, clearCode, forgetShownIn, offerFactor, shownIn } from "./factor.js";
import { forgetFloor } from "./floor.js";
import { openStored } from "./notebook.js";
import { $, busy, main, show, showMessage, UserError, whileHere } from "./page.js";
import { verifyNow } from "./trust.js";
import { keys, lock, unlock } from "./vault.js";

export function wire() {
  const form = $("#signin");
  lock(); // this page means that no session is open: keys still in memory belong to one that has ended
  if (!supported()) {
    showMessage($("#says"), "insecure");
    form.querySelector("button").disabled = true;
    return;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, $("#says"), async () => {
      const [email, words, shown] = [$("#email").value.trim(), $("#words").value, await shownIn(form)];
      const wanted = await whileHere(() => enter(form, email, words, shown));
      if (wanted) ask(form, wanted, (enrolment) => enter(form, email, words, { ...shown, enrolment }));
      else goOn();
    });
  });
}

function goOn() {
  $("#words").value = "";
  $("#onward").click();
}

// What is missing: the code of an app, or a first app, which `send` signs in with.
function ask(form, { error, offer, reset_on: resetOn }, send) {
  if (error === "factor") return askIn(form);
  offerFactor(offer, async (enrolment) => {
    if (await whileHere(() => send(enrolment))) throw new UserError("failed");
    goOn();
  }, resetOn);
}

// Keys stay in memory only if notebook and lists verify. A pending officer stands in no list yet; officers who read no
// queries have no keys at all. What is older than this device has seen is taken only after a restore was confirmed.
// Returns what the server wants besides, or nothing.
async function enter(form, email, words, shown) {
  const restored = $("[data-restored]", form);
  const { wanted, id, reads, state, notebook } = await unlocked(form, email, words, shown);
  if (wanted || !reads) return wanted;
  try {
    if (!restored.hidden && $("input", restored).checked) forgetFloor(id);
    await openStored(notebook);
    if (state !== "pending") await verifyNow();
  } catch (error) {
    lock();
    show(restored, ["older_notebook", "older_list"].includes(error.key));
    throw error;
  }
  show(restored, false);
  document.dispatchEvent(new CustomEvent("console:unlocked"));
  return undefined;
}

async function unlocked(form, email, words, shown) {
  try {
    return await unlock(email, words, shown);
  } catch (error) {
    if (shown.totp) clearCode(form); // it was wrong, or of use once only
    throw error;
  }
}

let waiting = null; // what a page does once the keys are unlocked: { section, opened }

// Runs `opened` as soon as the keys are unlocked; asks for the words in place if they are not. The page may be left for
// another one while they unlock: that one then goes on.
export function withKeys(opened) {
  const section = $("#locked");
  waiting = { section, opened };
  if (keys()) return openWaiting();
  show(section, true);
  const form = $("#unlock");
  form.onsubmit = (event) => {
    event.preventDefault();
    busy(form, $("#unlock-says"), async () => {
      const wanted = await enter(form, main().dataset.email, $("#unlock-words").value, await shownIn(form));
      if (wanted?.error === "factor") return askIn(form);
      if (wanted) return location.assign("/console/signin"); // where another one is made
      form.reset();
      $("#unlock-words", form).classList.remove("shown");
      forgetShownIn(form);
    });
  };
  $("#unlock-words").focus();
}

function openWaiting() {
  const { section, opened } = waiting;
  waiting = null;
  if (!section.hidden) $("#page h1")?.focus(); // the form that had the focus goes
  show(section, false);
  opened();
}

document.addEventListener("console:unlocked", () => {
  if (waiting?.section.isConnected) openWaiting();
});
