// The officer's keys while the tab is in use: non-extractable CryptoKeys, in this module's memory only.
// They are discarded when the tab is idle for too long or locked by hand; the passphrase restores them.

import * as sealing from "../sealing/sealing.js";
import { get, main, post, UserError } from "./page.js";

const PULSE = 4 * 60 * 1000; // ms between requests that keep the session of an active tab from expiring
const IDLE_CHECK = 10 * 1000; // ms

let unlocked = null; // { id, reading, signing, unit, trusted }: pairs of public key and CryptoKey; unit may be null
let active = Date.now();
let pulsed = Date.now();

export const keys = () => unlocked;

// Signs in again and unwraps the bundle from the response. The passphrase goes only into the key derivation in this tab:
// it is neither stored nor sent.
export async function unlock(email, passphrase) {
  const begun = await post("/console/signin/begin", { email });
  if (begun.status !== 200) throw new UserError("failed");
  const { auth, wrappingKey } = await sealing.officerSecrets(passphrase, begun.body.salt);
  const { status, body } = await post("/console/signin", { email, auth });
  if (status !== 200) throw new UserError(body?.error === "signin" ? "wrong_words" : "failed");
  main().dataset.csrf = body.csrf;
  const { id } = body;
  const bundle = await sealing.unwrapBundle(wrappingKey, id, JSON.parse(body.bundle));
  const reading = await sealing.importReadingKey(bundle.reading);
  const signing = await sealing.importSigningKey(bundle.signing);
  const unit = body.unit_bundle
    ? await sealing.importSigningKey(await sealing.unwrapUnit(wrappingKey, id, JSON.parse(body.unit_bundle)))
    : null;
  // Lists signed by another unit than the first one seen are refused; an officer with the unit's key knows it already.
  unlocked = { id, reading, signing, unit, trusted: unit?.publicKey ?? unlocked?.trusted ?? "" };
  active = pulsed = Date.now();
  document.dispatchEvent(new CustomEvent("console:unlocked"));
}

export function lock() {
  if (!unlocked) return;
  unlocked = null;
  document.dispatchEvent(new CustomEvent("console:locked"));
}

// Locks an idle tab; keeps the session of an active one from expiring.
function checkIdle() {
  if (!unlocked) return;
  if (Date.now() - active >= Number(main().dataset.idleMinutes) * 60 * 1000) {
    lock();
  } else if (active > pulsed && Date.now() - pulsed >= PULSE) {
    pulsed = Date.now();
    get("/console/pulse").catch(() => {});
  }
}

// A machine may wake from sleep with an event: check the clock before the event counts as activity.
function noteActivity() {
  checkIdle();
  active = Date.now();
}

for (const kind of ["pointerdown", "keydown", "input", "scroll"]) document.addEventListener(kind, noteActivity, { passive: true });
document.addEventListener("visibilitychange", checkIdle);
setInterval(checkIdle, IDLE_CHECK);
