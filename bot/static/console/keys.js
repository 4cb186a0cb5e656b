// Who may read: fingerprints are worked out here, and the next list is signed here with the unit's key.

import { b64, concat, unb64 } from "../sealing/encoding.js";
import * as sealing from "../sealing/sealing.js";
import { $, busy, main, post, show, tell, Told } from "./page.js";
import { withKeys } from "./signin.js";
import { keys } from "./vault.js";

// An officer's fingerprint is of both public keys: whoever compares it knows that neither was exchanged.
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
    for (const one of list.readers) await fill(`[data-reader="${one.id}"] [data-fingerprint]`, one);
    for (const one of pending) await fill(`[data-pending-id="${one.id}"] [data-fingerprint]`, one);
  } catch {
    tell($("#says"), "altered_keys");
    return;
  }
  if (!main().dataset.signs || !pending.length) return;
  for (const form of document.querySelectorAll("[data-approves]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (keys()?.unit) approve(form, inForce, list, pending.find((one) => one.id === form.dataset.approves));
    });
  }
  ready();
}

async function fill(selector, reader) {
  const place = $(selector);
  if (place) place.textContent = await officerFingerprint(reader);
}

function ready() {
  const isReady = Boolean(keys()?.unit);
  document.querySelectorAll("[data-approves] button").forEach((one) => (one.disabled = !isReady));
  if (!keys()) withKeys(ready);
  else show($("#locked"), false);
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page === "keys" && $("[data-approves]")) ready();
});

function approve(form, inForce, list, { id, name, role, reading, signing }) {
  busy(form, $("#says"), async () => {
    const { unit } = keys();
    await sealing.verifyKeys(inForce, unit.publicKey).catch(() => {
      throw new Told("altered_keys");
    });
    const readers = [...list.readers, { id, name, role, reading, signing }];
    const body = sealing.keysBody({ serial: list.serial + 1, day: main().dataset.today, unit: unit.publicKey, readers });
    const { status } = await post("/console/keys", await sealing.signKeys(unit.privateKey, body));
    if (status !== 201) throw new Told(status === 409 ? "keys_meanwhile" : "failed");
    $("#again").click();
  });
}
