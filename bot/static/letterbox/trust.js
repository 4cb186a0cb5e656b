// Whom the page trusts: the unit that link and page name, the unit's signed list of readers, and this device's clock.

import { Refused } from "../sealing/errors.js";
import { localDay } from "../sealing/fields.js";
import {
  checkFloor, checkInForce, checkPinned, isActive, parseList, pinOf, successionsSince, unitPin,
} from "../sealing/lists.js";
import { longDay, showPhrase } from "./page.js";

const LEAST_READERS = 2; // one at least is an officer: no list has two recovery keys in use
const ofPage = document.documentElement.dataset.unit; // the pin of the unit, "" while the server knew none
let pins = [];

export const today = () => localDay(new Date());

// From now on only a unit is trusted that link and page name, or whose key follows the one that they name.
export function expectUnit(ofLink) {
  pins = [ofLink, ofPage].filter(Boolean);
}

// The list of the unit of all these pins. Says so where its key is not the one of the first pin any more.
async function listOf(signed, known, seen) {
  const list = parseList(signed);
  const chain = await checkPinned(list, known[0], seen);
  for (const pin of new Set(known.slice(1))) await checkPinned(list, pin);
  const last = (await successionsSince(chain, known[0])).at(-1);
  showPhrase("unit-changed", ...(last ? ["unit_changed", { date: longDay(last.succ.day) }] : []));
  return chain;
}

// Those whom a new case is sealed to: their join statements.
export const activeReaders = (chain) =>
  chain.newest.readers.map(({ join }) => join).filter(({ id }) => isActive(chain, id));

// The list that a new case may be sealed under, not older than the one shown before (a chain, or null).
// Throws Refused with the reason why the letterbox is closed, Expired, WrongClock and Altered.
export async function listForWriting(signed, shown) {
  if (!pins.length) throw new Refused("adoption");
  const chain = await listOf(signed, pins);
  checkInForce(chain.newest, today());
  if (shown) await checkFloor(chain.newest, await pinOf(shown.newest));
  if (activeReaders(chain).length < LEAST_READERS) throw new Refused("readers");
  return chain;
}

// The list that a case is read with, in force or not: of the unit in the asker's box, whose newest list was seen there.
export const listForReading = async (signed, { unit, list }) =>
  listOf(signed, [await unitPin(unit), ...pins], list.serial);

// Why no epoch may be granted under this list today: "expired", "clock" or "".
export function notInForce(chain) {
  try {
    checkInForce(chain.newest, today());
    return "";
  } catch ({ kind }) {
    return kind;
  }
}
