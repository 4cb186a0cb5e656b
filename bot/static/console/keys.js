// The page of readers: calculates fingerprints, and signs the next list with the unit's key.

import { b64, concat, unb64 } from "../sealing/encoding.js";
import * as sealing from "../sealing/sealing.js";
import { $, busy, main, post, show, showMessage, UserError } from "./page.js";
import { withKeys } from "./signin.js";
import { keys } from "./vault.js";

// An officer's fingerprint covers both public keys, so that comparing it detects an exchange of either.
export const officerFingerprint = ({ reading, signing }) =>
  sealing.fingerprint(signing ? b64(concat(unb64(reading), unb64(signing))) : reading);

export async function wireWaiting() {
  const { reading, signing } = main().dataset;
  $("#own-fingerprint").textContent = await officerFingerprint({ reading, signing });
}

export async function wire() {
  const inForce = JSON.parse(main().dataset.keys);
  const pending = JSON.parse(main().dataset.pending);
  let list;
  try {
    list = await sealing.verifyKeys(inForce);
    for (const reader of list.readers) await showFingerprint(`[data-reader="${reader.id}"] [data-fingerprint]`, reader);
    for (const officer of pending) await showFingerprint(`[data-pending-id="${officer.id}"] [data-fingerprint]`, officer);
  } catch {
    showMessage($("#says"), "altered_keys");
    return;
  }
  if (!main().dataset.signs || !pending.length) return;
  for (const form of document.querySelectorAll("[data-approves]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (keys()?.unit) approve(form, inForce, list, pending.find(({ id }) => id === form.dataset.approves));
    });
  }
  updateButtons();
}

async function showFingerprint(selector, reader) {
  const element = $(selector);
  if (element) element.textContent = await officerFingerprint(reader);
}

// Enables the buttons while the unit's key is unlocked; asks for the passphrase when no keys are.
function updateButtons() {
  const isReady = Boolean(keys()?.unit);
  document.querySelectorAll("[data-approves] button").forEach((button) => (button.disabled = !isReady));
  if (!keys()) withKeys(updateButtons);
  else show($("#locked"), false);
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page === "keys" && $("[data-approves]")) updateButtons();
});

function approve(form, inForce, list, { id, name, role, reading, signing }) {
  busy(form, $("#says"), async () => {
    const { unit } = keys();
    await sealing.verifyKeys(inForce, unit.publicKey).catch(() => {
      throw new UserError("altered_keys");
    });
    const readers = [...list.readers, { id, name, role, reading, signing }];
    const body = sealing.keysBody({ serial: list.serial + 1, day: main().dataset.today, unit: unit.publicKey, readers });
    const { status } = await post("/console/keys", await sealing.signKeys(unit.privateKey, body));
    if (status !== 201) throw new UserError(status === 409 ? "keys_meanwhile" : "failed");
    $("#again").click();
  });
}
