// The officer's keys, while the tab is open and at work: non-extractable CryptoKeys in this module's memory only.
// Idle for too long, or locked by hand, and they are gone; the passphrase brings them back.

import * as sealing from "../sealing/sealing.js";
import { get, main, post, Told } from "./page.js";

const PULSE = 4 * 60 * 1000; // whoever writes for long keeps the session awake
const LOOK = 10 * 1000;

let held = null; // { id, reading, signing, unit, trusted }: pairs of public key and CryptoKey; unit may be null
let active = Date.now();
let pulsed = Date.now();

export const keys = () => held;

// Signs in anew with the server and opens the bundle that it hands back. The words never leave this function.
export async function unlock(email, words) {
  const begun = await post("/console/signin/begin", { email });
  if (begun.status !== 200) throw new Told("failed");
  const { auth, wrappingKey } = await sealing.officerSecrets(words, begun.body.salt);
  const { status, body } = await post("/console/signin", { email, auth });
  if (status !== 200) throw new Told(body?.error === "signin" ? "wrong_words" : "failed");
  main().dataset.csrf = body.csrf;
  const { id } = body;
  const bundle = await sealing.unwrapBundle(wrappingKey, id, JSON.parse(body.bundle));
  const reading = await sealing.importReadingKey(bundle.reading);
  const signing = await sealing.importSigningKey(bundle.signing);
  const unit = body.unit_bundle
    ? await sealing.importSigningKey(await sealing.unwrapUnit(wrappingKey, id, JSON.parse(body.unit_bundle)))
    : null;
  // Lists of another unit than the first one seen are refused; whoever holds the unit's key knows it beforehand.
  held = { id, reading, signing, unit, trusted: unit?.publicKey ?? held?.trusted ?? "" };
  active = pulsed = Date.now();
  document.dispatchEvent(new CustomEvent("console:unlocked"));
}

export function lock() {
  if (!held) return;
  held = null;
  document.dispatchEvent(new CustomEvent("console:locked"));
}

function look() {
  if (!held) return;
  if (Date.now() - active >= Number(main().dataset.idleMinutes) * 60 * 1000) {
    lock();
  } else if (active > pulsed && Date.now() - pulsed >= PULSE) {
    pulsed = Date.now();
    get("/console/pulse").catch(() => {});
  }
}

// A machine that slept may wake with an event: look at the clock before it counts as work.
function work() {
  look();
  active = Date.now();
}

for (const kind of ["pointerdown", "keydown", "input", "scroll"]) document.addEventListener(kind, work, { passive: true });
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK);
