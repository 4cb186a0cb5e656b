// Signing in: the words become an auth key for the server and a wrapping key that stays here.

import * as sealing from "../sealing/sealing.js";
import { $, busy, main, show, tell } from "./page.js";
import { keys, lock, unlock } from "./vault.js";

export function wire() {
  const form = $("#signin");
  lock(); // whoever is led here has to sign in: keys that are still there belong to a session that is over
  if (!sealing.supported()) {
    tell($("#says"), "insecure");
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

// The passphrase again, on a page that needs the keys: `opened` runs once they are there.
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
