// The unit's signed list of readers: valid by itself for an asker, valid as the next link for server and officers.
// A chain is { newest, hashes: Map(serial -> hash), byId: Map(id -> reader), succ: all successions that led to its unit }.

import { canonical, concat, decode, digest, encode, prefixed, read, sha256 } from "./canonical.js";
import { Altered, Expired, Malformed, WrongClock } from "./errors.js";
import * as fields from "./fields.js";
import { READER, checkProofs, inGroups, isActive as wasActive } from "./readers.js";
import { sign, verify } from "./signatures.js";
import { MOST, SUCC, checkSuccessions, isByUnit, unitAt } from "./successions.js";

const LONGEST = 45; // days that a list is in force
const TOLERANCE = 1; // day between two clocks

export const LIST = fields.record({
  v: fields.exactly(2),
  suite: fields.exactly(1),
  unit: fields.point,
  serial: fields.number(1, fields.SERIALS),
  prev: fields.either("", fields.hashed),
  day: fields.day,
  until: fields.day,
  custodians: fields.array(fields.name, 0, 20),
  readers: fields.array(READER, 0, 200, (reader) => reader.join.id),
});
export const SIGNED_LIST = fields.record({ list: LIST, signature: fields.signature, succ: fields.array(SUCC, 0, MOST) });

// ---------------------------------------------------------------- pins

function unitDigest(unit) {
  fields.point(unit, "unit");
  return sha256(concat(prefixed("unit"), decode(unit)));
}

export const unitPin = async (unit) => encode(await unitDigest(unit)).slice(0, 22);
export const unitFingerprint = async (unit) => inGroups(await unitDigest(unit));
export const listHash = (keys) => digest("list", keys);
export const pinOf = async (keys) => ({ serial: keys.serial, hash: await listHash(keys) });

// ---------------------------------------------------------------- chains

export const newChain = (newest, hashes, succ = []) => ({
  newest,
  hashes,
  succ,
  serial: newest.serial,
  byId: new Map(newest.readers.map((reader) => [reader.join.id, reader])),
});

export const isActive = (chain, id, serial = chain.serial) => chain.byId.has(id) && wasActive(chain.byId.get(id), serial);
export const isOfficer = (chain, id) => chain.byId.get(id)?.join.role === "officer";

// The successions after the unit with this pin; throws Altered where the unit never had that key.
export async function successionsSince({ newest, succ }, pin) {
  const pins = await Promise.all([...succ.map((one) => one.succ.old), newest.unit].map(unitPin));
  if (!pins.includes(pin)) throw new Altered("unit");
  return succ.slice(pins.indexOf(pin));
}

// ---------------------------------------------------------------- reading and checking

export const readList = (text) => parseList(read(text));

export function parseList(value) {
  SIGNED_LIST(value, "list");
  if ((value.list.serial === 1) !== (value.list.prev === "")) throw new Malformed("list.list.prev");
  return value;
}

export const signList = async (privateKey, keys, succ = []) => ({
  list: keys,
  signature: await sign(privateKey, "list", keys),
  succ,
});

// All that a list of any unit says about itself: signature, successions, keys, serials, proofs, days.
export async function checkList({ list: keys, signature, succ }) {
  await verify(keys.unit, signature, "list", keys, "list.signature");
  await checkSuccessions(succ, keys);
  const { unit, serial, readers } = keys;
  if (readers.some(({ join, since }) => join.unit !== unitAt(succ, unit, since))) throw new Altered("list.unit");
  const joins = readers.flatMap(({ join: { reading, signing } }) => [reading, signing]);
  const points = [unit, ...succ.map((one) => one.succ.old), ...joins];
  if (new Set(points).size !== points.length) throw new Altered("list.keys");
  for (const { since, ended } of readers) {
    if (since > serial || (ended && !(since < ended && ended <= serial))) throw new Altered("list.since");
  }
  for (const reader of readers) await checkProofs(reader, readers);
  if (readers.filter(({ join, ended }) => join.role === "recovery" && !ended).length > 1) throw new Altered("list.recovery");
  const days = fields.dayNumber(keys.until) - fields.dayNumber(keys.day);
  if (days < 0 || days > LONGEST) throw new Altered("list.until");
  return keys;
}

export function checkInForce(keys, today) {
  const now = fields.dayNumber(today);
  if (now < fields.dayNumber(keys.day) - TOLERANCE) throw new WrongClock("list.day");
  if (now > fields.dayNumber(keys.until)) throw new Expired("list.until");
}

// What an asker reads with, who knows no earlier list but the unit's pin: the unit of the pin, or one that follows it by
// the word of each former key. Officers' words count only beside the list of the former key, which is not here. `seen` is
// the serial of a list that the pinned unit is known to have signed: no succession is older.
export async function checkPinned(signed, pin, seen = 0) {
  const keys = await checkList(signed);
  const chain = newChain(keys, new Map([[keys.serial, await listHash(keys)]]), signed.succ);
  for (const one of await successionsSince(chain, pin)) {
    if (!isByUnit(one)) throw new Altered("succ.by");
    if (one.succ.serial < seen) throw new Altered("succ.serial");
  }
  return chain;
}

export async function checkAlone(signed, pin, today) {
  const chain = await checkPinned(signed, pin);
  checkInForce(chain.newest, today);
  return chain;
}

export async function checkFirst(signed, pin) {
  const chain = await checkPinned(signed, pin);
  if (chain.serial !== 1) throw new Altered("list.serial");
  return chain;
}

// The same unit by the same successions, or one succession more, from the former list on.
function checkUnit({ newest: former, succ }, { list, succ: next }) {
  const statements = (all) => canonical(all.map((one) => one.succ));
  if (statements(next) === statements(succ)) {
    if (list.unit !== former.unit) throw new Altered("unit");
    return;
  }
  const last = next.at(-1)?.succ;
  if (statements(next.slice(0, -1)) !== statements(succ) || last?.old !== former.unit) throw new Altered("unit");
  if (last.serial !== former.serial) throw new Altered("succ.serial");
  if (last.day < former.day) throw new Altered("succ.day");
}

export async function checkNext(chain, signed) {
  const former = chain.newest;
  checkUnit(chain, signed);
  const keys = await checkList(signed);
  const { serial } = keys;
  if (serial !== former.serial + 1) throw new Altered("list.serial");
  if (keys.prev !== (await listHash(former))) throw new Altered("list.prev");
  if (keys.day < former.day) throw new Altered("list.day");
  const entries = new Map(keys.readers.map((reader) => [reader.join.id, reader]));
  for (const reader of former.readers) {
    const now = entries.has(reader.join.id) ? canonical(entries.get(reader.join.id)) : "";
    entries.delete(reader.join.id);
    const isSame = now === canonical(reader);
    if (!isSame && (reader.ended || now !== canonical({ ...reader, ended: serial }))) throw new Altered("list.readers");
  }
  if ([...entries.values()].some(({ since }) => since !== serial)) throw new Altered("list.since");
  return newChain(keys, new Map([...chain.hashes, [serial, await listHash(keys)]]), signed.succ);
}

// The chain from the first list to the newest, whose unit has, or once had, the key of this pin.
export async function walkAll([first, ...later], pin) {
  if (!first) throw new Altered("list.none");
  let chain = await checkFirst(first, await unitPin(first.list.unit));
  for (const signed of later) chain = await checkNext(chain, signed);
  await successionsSince(chain, pin);
  return chain;
}

// The chain from a remembered list, which comes first, to the newest.
export async function walk(pin, lists, unit) {
  const [first, ...later] = lists;
  if (!first || first.list.serial !== pin.serial || (await listHash(first.list)) !== pin.hash) throw new Altered("list.pin");
  if ((await unitPin(first.list.unit)) !== unit) throw new Altered("unit");
  let chain = newChain(await checkList(first), new Map([[pin.serial, pin.hash]]), first.succ);
  for (const signed of later) chain = await checkNext(chain, signed);
  return chain;
}

export async function checkFloor(keys, floor) {
  if (keys.serial < floor.serial || (keys.serial === floor.serial && (await listHash(keys)) !== floor.hash)) {
    throw new Altered("list.floor");
  }
}
