// Sign-in: derives from the passphrase an auth key for the server and a wrapping key that never leaves the browser.

import * as sealing from "../sealing/sealing.js";
import { $, busy, main, show, showMessage } from "./page.js";
import { keys, lock, unlock } from "./vault.js";

export function wire() {
  const form = $("#signin");
  lock(); // this page means that no session is open: keys still in memory belong to one that has ended
  if (!sealing.supported()) {
    showMessage($("#says"), "insecure");
    form.querySelector("button").disabled = true;
    return;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, $("#says"), async () => {
      await unlock($("#email").value.trim(), $("#words").value);
      $("#words").value = "";
      $("#onward").click();
    });
  });
}

// Runs `opened` as soon as the keys are unlocked; asks for the passphrase in place if they are not.
export function withKeys(opened) {
  const section = $("#locked");
  if (keys()) {
    show(section, false);
    opened();
    return;
  }
  show(section, true);
  const form = $("#unlock");
  form.onsubmit = (event) => {
    event.preventDefault();
    busy(form, $("#unlock-says"), async () => {
      await unlock(main().dataset.email, $("#unlock-words").value);
      form.reset();
      $("#unlock-words").type = "password";
      show(section, false);
      await opened();
    });
  };
  $("#unlock-words").focus();
}
