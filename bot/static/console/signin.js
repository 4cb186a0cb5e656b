// Sign-in: the words open the officer's keys in this tab; then notebook and lists are verified before anything is shown.

import { supported } from "../sealing/words.js";
import { forgetFloor } from "./floor.js";
import { openStored } from "./notebook.js";
import { $, busy, main, show, showMessage, whileHere } from "./page.js";
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
      await whileHere(() => enter(form, $("#email").value.trim(), $("#words").value));
      $("#words").value = "";
      $("#onward").click();
    });
  });
}

// Keys stay in memory only if notebook and lists verify. A pending officer stands in no list yet; officers who read no
// queries have no keys at all. What is older than this device has seen is taken only after a restore was confirmed.
async function enter(form, email, words) {
  const restored = $("[data-restored]", form);
  const { id, reads, state, notebook } = await unlock(email, words);
  if (!reads) return;
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
}

let waiting = null; // what a page does once the keys are unlocked: { section, opened }

// Runs `opened` as soon as the keys are unlocked; asks for the words in place if they are not. The page may be left for
// another one while they unlock: that one then goes on.
export function withKeys(opened) {
  const section = $("#locked");
  waiting = { section, opened };
  if (keys()) return goOn();
  show(section, true);
  const form = $("#unlock");
  form.onsubmit = (event) => {
    event.preventDefault();
    busy(form, $("#unlock-says"), async () => {
      await enter(form, main().dataset.email, $("#unlock-words").value);
      form.reset();
      $("#unlock-words", form).classList.remove("shown");
    });
  };
  $("#unlock-words").focus();
}

function goOn() {
  const { section, opened } = waiting;
  waiting = null;
  show(section, false);
  opened();
}

document.addEventListener("console:unlocked", () => {
  if (waiting?.section.isConnected) goOn();
});
