// Whom the page trusts: the unit that link and page name, the unit's signed list of readers, and this device's clock.

import { Altered, Refused } from "../sealing/errors.js";
import { localDay } from "../sealing/fields.js";
import {
  checkAlone, checkFloor, checkInForce, checkList, isActive, listHash, newChain, parseList, pinOf, unitPin,
} from "../sealing/lists.js";

const LEAST_READERS = 2; // one at least is an officer: no list has two recovery keys in use
const ofPage = document.documentElement.dataset.unit; // the pin of the unit, "" while the server knew none
let pin = ofPage;

export const today = () => localDay(new Date());

// From now on only the unit of this pin is trusted; throws Altered where link and page name two.
export function expectUnit(ofLink) {
  if (ofLink && ofPage && ofLink !== ofPage) throw new Altered("unit");
  pin = ofLink || ofPage;
}

// Those whom a new case is sealed to: their join statements.
export const activeReaders = (chain) =>
  chain.newest.readers.map(({ join }) => join).filter(({ id }) => isActive(chain, id));

// The list that a new case may be sealed under, not older than the one shown before (a chain, or null).
// Throws Refused with the reason why the letterbox is closed, Expired, WrongClock and Altered.
export async function listForWriting(signed, shown) {
  if (!pin) throw new Refused("adoption");
  const chain = await checkAlone(parseList(signed), pin, today());
  if (shown) await checkFloor(chain.newest, await pinOf(shown.newest));
  if (activeReaders(chain).length < LEAST_READERS) throw new Refused("readers");
  return chain;
}

// The list that a case is read with, in force or not: of the unit in the asker's box.
export async function listForReading(signed, unit) {
  const ofBox = await unitPin(unit);
  if (pin && ofBox !== pin) throw new Altered("unit");
  const keys = await checkList(parseList(signed), ofBox);
  return newChain(keys, new Map([[keys.serial, await listHash(keys)]]));
}

// Why no epoch may be granted under this list today: "expired", "clock" or "".
export function notInForce(chain) {
  try {
    checkInForce(chain.newest, today());
    return "";
  } catch ({ kind }) {
    return kind;
  }
}
