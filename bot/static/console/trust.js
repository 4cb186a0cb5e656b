// What the officer's pages rest on: the unit's lists from the remembered one to the newest, the officer's own keys in
// it, and that the server shows no less of any case than was seen.

import { Altered, Expired } from "../sealing/errors.js";
import { dayNumber, localDay } from "../sealing/fields.js";
import { checkInForce, parseList, unitPin, walk } from "../sealing/lists.js";
import { compareHeads } from "../sealing/notebooks.js";
import { showChanges } from "./changes.js";
import { askToConfirm } from "./confirmation.js";
import { unexplained } from "./departures.js";
import { note } from "./findings.js";
import { floorOf, raiseFloor } from "./floor.js";
import { notebook, save, saveUnit } from "./notebook.js";
import { get, UserError, verifying, whileHere } from "./page.js";
import { keys } from "./vault.js";

let newest = null; // the chain of lists as it was last verified
let serverDay = ""; // the day that the server said then

document.addEventListener("console:locked", () => (newest = null));

export const chain = () => newest;
export const today = () => localDay(new Date());

// Verifies what the server shows now, notes findings, and remembers a newer list; returns the chain. Work of a page that
// was left meanwhile ends here.
export const refresh = () => whileHere(verifyNow);

// The same, for what goes on whatever page is in view.
export async function verifyNow() {
  const { heads, lists } = await walkLists(confirmUnit);
  await verifying("altered_own", () => checkOwnKeys(newest));
  raiseFloor(keys().id, { version: notebook().version, serial: newest.serial });
  const findings = await verifying("altered_thread", () => compareHeads(notebook(), heads));
  await note(await unexplained(findings, newest));
  await remember(null);
  showChanges(lists[0].list, newest.newest);
  return newest;
}

// Another key of the unit is not believed before `confirmed`, which waits for the officer or throws.
async function walkLists(confirmed) {
  const { list: pin, unit } = notebook();
  const { status, body } = await get("/console/trust?from=" + pin.serial);
  if (status !== 200) throw new UserError(status === 409 ? "altered_thread" : "failed");
  serverDay = body.today;
  await verifying("altered_list", async () => {
    const walked = await walk(pin, body.lists.map(parseList), await unitPin(unit));
    const isLower = newest && walked.hashes.get(newest.serial) !== newest.hashes.get(newest.serial);
    if (isLower) throw new Altered("list.floor");
    if (walked.serial < floorOf(keys().id).serial) throw new UserError("older_list");
    if (walked.newest.unit !== unit) await confirmed(walked);
    newest = walked;
  });
  return body;
}

// Stores the key that the officer confirms; another tab or device may have done so meanwhile.
async function confirmUnit(walked) {
  await askToConfirm(walked, notebook().unit);
  if (walked.newest.unit !== notebook().unit) await note(await saveUnit(walked));
}

function refuseUnit() {
  throw new UserError("next_unit");
}

function checkOwnKeys({ byId }) {
  const { id, unit, reading, signing } = keys();
  const own = byId.get(id)?.join;
  const isOwn = own?.reading === reading.point && own.signing === signing.point && own.unit === unit;
  if (!isOwn) throw new Altered("own");
}

// Stores in the notebook what was seen of a case, and the newest list; drops the cases `dropped`.
export async function remember(entry, dropped = []) {
  await note(await save(newest, entry, async () => (await walkLists(refuseUnit), newest), dropped));
}

// Whether a new epoch may be granted under the newest list; refuses to write by a wrong clock.
export const isInForce = () => verifying("altered_list", () => holdsToday(newest));

// The same of any chain; throws WrongClock.
export function holdsToday(chain) {
  try {
    checkInForce(chain.newest, today());
    return true;
  } catch (error) {
    if (error instanceof Expired) return false;
    throw error;
  }
}

// This device's clock may be off by one day from the server's.
export function checkClock(other = serverDay) {
  if (Math.abs(dayNumber(today()) - dayNumber(other)) > 1) throw new UserError("clock");
}
