// The officer's keys while the tab is in use: non-extractable CryptoKeys, in this module's memory only.
// They are discarded when the tab is idle for too long or locked by hand; the words restore them.

import { boxKey, derive, deriveKey, stretch, unwrapOfficer } from "../sealing/boxes.js";
import { decode, encode } from "../sealing/canonical.js";
import { Altered } from "../sealing/errors.js";
import { openUnitKey } from "../sealing/keys.js";
import { importReadingKey, importSigningKey } from "../sealing/signatures.js";
import { noteFailures } from "./failures.js";
import { get, main, post, UserError, verifying } from "./page.js";
import { checkFactor } from "./refusals.js";
import { tellSignedIn } from "./tabs.js";

const PULSE = 4 * 60 * 1000; // ms between requests that keep the session of an active tab from expiring
const IDLE_CHECK = 10 * 1000; // ms

// { id, unit, reading, signing, notebookKey, unitKey, extractable }: `unit` is the unit's point when the officer joined,
// `reading` and `signing` are pairs, `unitKey` is a pair too, null but for officers who hold it; `extractable` then opens
// it with its bytes (pkcs8).
let unlocked = null;
let active = Date.now();
let pulsed = Date.now();

export const keys = () => unlocked;

// What seven words give: `auth` for the server, `wrap` for boxes that only this browser opens.
export async function officerSecrets(words, salt) {
  const secret = await stretch(words, decode(salt));
  return { auth: encode(await derive(secret, "auth")), wrap: await deriveKey(secret, "wrap") };
}

// Signs in and unwraps the keys; returns the server's response. The words go only into the key derivation in this tab:
// they are neither stored nor sent. Officers who read no queries have no keys. `shown` is what shows the second factor;
// where it is missing the response has status 401, and nothing was opened.
export async function unlock(email, words, shown = {}) {
  const begun = await post("/console/signin/begin", { email });
  if (begun.status !== 200) throw new UserError("failed");
  const { auth, wrap } = await officerSecrets(words, begun.body.salt);
  const { status, body } = await post("/console/signin", { email, auth, ...shown });
  if (status === 401) return { wanted: body };
  checkFactor(body);
  if (status !== 200) throw new UserError(body?.error === "signin" ? "wrong_words" : "failed");
  main().dataset.officer = body.id;
  tellSignedIn(body.id);
  noteFailures(body.id, body.failures);
  if (body.reads) {
    unlocked = await verifying("altered_bundle", () => unwrap(wrap, body));
    active = pulsed = Date.now();
  }
  return body;
}

// `key_of` is the unit that the server says that the holder's key is of: it opens for no other one. Where it says none, as
// it believes no list, it is the unit that this officer joined.
async function unwrap(wrap, { id, bundle, unit_key: unitKeySealed, key_of: keyOf }) {
  if (!bundle) throw new Altered("officer");
  const officer = await unwrapOfficer(wrap, bundle, id, "words");
  const reading = await importReadingKey(officer.reading);
  return {
    id,
    unit: officer.unit,
    reading,
    signing: await importSigningKey(officer.signing),
    notebookKey: await boxKey(decode(officer.notebook)),
    ...(await holding(id, unitKeySealed, keyOf || officer.unit, reading)),
  };
}

// The holder's key in use, without its bytes, and how to open them for the moment in which it is given to another holder
// or to custodians.
async function holding(id, sealed, unit, reading) {
  if (!sealed) return { unitKey: null };
  const extractable = () => openUnitKey(sealed, id, unit, reading);
  try {
    const { point, privateKey } = await extractable();
    return { unitKey: { point, privateKey }, extractable };
  } catch (error) {
    if (!error.kind) throw error;
    return { unitKey: null }; // what the server keeps opens nothing: this officer signs no list, and reads all the same
  }
}

// From now on this officer holds another key of the unit, sealed to them.
export async function holdUnitKey(sealed, unit) {
  Object.assign(unlocked, await holding(unlocked.id, sealed, unit, unlocked.reading));
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
    get("/console/pulse").catch(lockIfOver);
  }
}

// Signed out on all devices, on another one; or another officer has signed in.
function lockIfOver({ key }) {
  if (["session_over", "other_officer"].includes(key)) lock();
}

// A machine may wake from sleep with an event: check the clock before the event counts as activity.
function noteActivity() {
  checkIdle();
  active = Date.now();
}

for (const kind of ["pointerdown", "keydown", "input", "scroll"]) document.addEventListener(kind, noteActivity, { passive: true });
document.addEventListener("visibilitychange", checkIdle);
setInterval(checkIdle, IDLE_CHECK);
