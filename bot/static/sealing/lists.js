// The unit's signed list of readers: valid by itself for an asker, valid as the next link for server and officers.
// A chain is { newest, hashes: Map(serial -> hash), byId: Map(id -> reader) }.

import { canonical, concat, decode, digest, encode, prefixed, read, sha256 } from "./canonical.js";
import { Altered, Expired, Malformed, WrongClock } from "./errors.js";
import * as fields from "./fields.js";
import { READER, checkProofs, inGroups, isActive as wasActive } from "./readers.js";
import { sign, verify } from "./signatures.js";

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
export const SIGNED_LIST = fields.record({ list: LIST, signature: fields.signature });

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

export const newChain = (newest, hashes) => ({
  newest,
  hashes,
  serial: newest.serial,
  byId: new Map(newest.readers.map((reader) => [reader.join.id, reader])),
});

export const isActive = (chain, id, serial = chain.serial) => chain.byId.has(id) && wasActive(chain.byId.get(id), serial);
export const isOfficer = (chain, id) => chain.byId.get(id)?.join.role === "officer";

// ---------------------------------------------------------------- reading and checking

export const readList = (text) => parseList(read(text));

export function parseList(value) {
  SIGNED_LIST(value, "list");
  if ((value.list.serial === 1) !== (value.list.prev === "")) throw new Malformed("list.list.prev");
  return value;
}

export const signList = async (privateKey, keys) => ({ list: keys, signature: await sign(privateKey, "list", keys) });

// All that a list says about itself: unit, signature, keys, serials, proofs, days.
export async function checkList({ list: keys, signature }, pin) {
  if ((await unitPin(keys.unit)) !== pin) throw new Altered("unit");
  await verify(keys.unit, signature, "list", keys, "list.signature");
  const joins = keys.readers.map(({ join }) => join);
  if (joins.some(({ unit }) => unit !== keys.unit)) throw new Altered("list.unit");
  const points = [keys.unit, ...joins.flatMap(({ reading, signing }) => [reading, signing])];
  if (new Set(points).size !== points.length) throw new Altered("list.keys");
  for (const { since, ended } of keys.readers) {
    if (since > keys.serial || (ended && !(since < ended && ended <= keys.serial))) throw new Altered("list.since");
  }
  for (const reader of keys.readers) await checkProofs(reader, keys.readers);
  if (keys.readers.filter(({ join, ended }) => join.role === "recovery" && !ended).length > 1) throw new Altered("list.recovery");
  const days = fields.dayNumber(keys.until) - fields.dayNumber(keys.day);
  if (days < 0 || days > LONGEST) throw new Altered("list.until");
  return keys;
}

export function checkInForce(keys, today) {
  const now = fields.dayNumber(today);
  if (now < fields.dayNumber(keys.day) - TOLERANCE) throw new WrongClock("list.day");
  if (now > fields.dayNumber(keys.until)) throw new Expired("list.until");
}

export async function checkAlone(signed, pin, today) {
  const keys = await checkList(signed, pin);
  checkInForce(keys, today);
  return newChain(keys, new Map([[keys.serial, await listHash(keys)]]));
}

export async function checkFirst(signed, pin) {
  const keys = await checkList(signed, pin);
  if (keys.serial !== 1) throw new Altered("list.serial");
  return newChain(keys, new Map([[1, await listHash(keys)]]));
}

export async function checkNext(chain, signed) {
  const former = chain.newest;
  const keys = await checkList(signed, await unitPin(former.unit));
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
  return newChain(keys, new Map([...chain.hashes, [serial, await listHash(keys)]]));
}

// The chain from a remembered list, which comes first, to the newest.
export async function walk(pin, lists, unit) {
  const [first, ...later] = lists;
  if (!first || first.list.serial !== pin.serial || (await listHash(first.list)) !== pin.hash) throw new Altered("list.pin");
  let chain = newChain(await checkList(first, unit), new Map([[pin.serial, pin.hash]]));
  for (const signed of later) chain = await checkNext(chain, signed);
  return chain;
}

export async function checkFloor(keys, floor) {
  if (keys.serial < floor.serial || (keys.serial === floor.serial && (await listHash(keys)) !== floor.hash)) {
    throw new Altered("list.floor");
  }
}
