// Case keys: what commits to one, what encrypts a letter, and how one is sealed to a reader (HPKE, RFC 9180).

import * as hpke from "./hpke.js";
import { bound, concat, decode, encode, prefixed, read, sha256, utf8 } from "./canonical.js";
import { Altered, WrongKey } from "./errors.js";
import * as fields from "./fields.js";
import { importSigningKey } from "./signatures.js";

const SIZE = 32; // bytes of a case key

export const LANE = fields.oneOf("talk", "notes");
export const READER_NAME = fields.either(fields.ASKER, fields.identifier);
export const EPOCH = fields.number(1, fields.LETTERS);
export const ACCESS = fields.record({
  case: fields.identifier,
  lane: LANE,
  epoch: EPOCH,
  reader: READER_NAME,
  sealed: fields.coded(65 + SIZE + 16),
});

export const newCaseKey = () => crypto.getRandomValues(new Uint8Array(SIZE));

// The hash that binds an epoch to one key; AES-GCM alone accepts several keys for one body.
export async function commit(key, id, lane, epoch) {
  return encode(await sha256(concat(prefixed("commit"), utf8(`${id}\n${lane}\n${epoch}\n`), key)));
}

// The key of one letter: another one for each context, so that no iv is used twice under one key.
export async function letterKey(key, context, use) {
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: bound("key", context) };
  const secret = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(algorithm, secret, { name: "AES-GCM", length: 256 }, false, [use]);
}

export const accessInfo = (id, lane, epoch, reader, commitment) =>
  bound("access", { case: id, lane, epoch, reader, commit: commitment });

export function readAccess(text) {
  const value = read(text);
  ACCESS(value, "access");
  return value;
}

export async function sealAccess(key, reading, id, lane, epoch, reader) {
  const info = accessInfo(id, lane, epoch, reader, await commit(key, id, lane, epoch));
  return { case: id, lane, epoch, reader, sealed: encode(await hpke.seal(decode(reading), info, key)) };
}

const pairOf = ({ privateKey, point }) => ({ privateKey, publicKey: decode(point) });

// The case key of an epoch, if it is the one that the grant committed to; `reading` is a pair. Throws WrongKey.
export async function openAccess({ case: id, lane, epoch, reader, sealed }, reading, commitment) {
  let key;
  try {
    key = await hpke.open(pairOf(reading), accessInfo(id, lane, epoch, reader, commitment), decode(sealed));
  } catch {
    throw new WrongKey("access.sealed");
  }
  if ((await commit(key, id, lane, epoch)) !== commitment) throw new WrongKey("access.commit");
  return key;
}

// A grant comes with one row for each of its readers, the asker included.
export function checkRows(rows, id, lane, epoch, readers) {
  const place = (...parts) => JSON.stringify(parts);
  const expected = [...readers, ...(lane === "talk" ? [fields.ASKER] : [])].map((reader) => place(id, lane, epoch, reader));
  const given = rows.map((row) => place(row.case, row.lane, row.epoch, row.reader));
  if (given.sort().join() !== expected.sort().join()) throw new Altered("access.rows");
}

export const draftInfo = (id, lane, seq, author) => bound("draft", { case: id, lane, seq, author });
export const sealDraft = (bytes, reading, info) => sealTo(bytes, reading, info);
export const openDraft = (sealed, reading, info) => openSealed(sealed, reading, info, "draft");

// ---------------------------------------------------------------- the unit's key

const UNIT_KEY = fields.coded(65 + 60 + 16, 65 + 300 + 16);
const unitInfo = (id, unit) => bound("unit", { id, unit });

// Seals the unit's signing key (a pair with its pkcs8) to the reading key of an officer, who holds it from then on.
export const sealUnitKey = ({ point, pkcs8 }, id, reading) => sealTo(decode(pkcs8), reading, unitInfo(id, point));

// The unit's signing key, a pair with its pkcs8; `reading` is the holder's pair. Throws Altered where it is another unit's.
export async function openUnitKey(sealed, id, unit, reading) {
  UNIT_KEY(sealed, "unit");
  const pkcs8 = encode(await openSealed(sealed, reading, unitInfo(id, unit), "unit"));
  const pair = await importSigningKey(pkcs8, "unit");
  if (pair.point !== unit) throw new Altered("unit");
  return { ...pair, pkcs8 };
}

// ---------------------------------------------------------------- anything

// Seals bytes to a public key (HPKE); they open under the same `info` only.
export const sealTo = async (bytes, reading, info) => encode(await hpke.seal(decode(reading), info, bytes));

export async function openSealed(sealed, reading, info, what) {
  const raw = decode(sealed, what);
  try {
    return await hpke.open(pairOf(reading), info, raw);
  } catch {
    throw new Altered(what);
  }
}
