// Custody: the recovery key and the unit's key, which any two of three custodians open together, and none alone.
// Each custodian makes a key of their own. A random secret encrypts the keys; for each pair of custodians it is sealed
// to one what is sealed to the other. Private keys of custodians are pairs, as signatures.js gives them.

import { decrypt, deriveKey, encrypt } from "./boxes.js";
import { bound, canonical, decode, encode, readBytes, sha256, utf8 } from "./canonical.js";
import { Altered, Refused } from "./errors.js";
import * as fields from "./fields.js";
import { openSealed, sealTo } from "./keys.js";
import { inGroups } from "./readers.js";
import { importReadingKey, importSigningKey, sign, verify } from "./signatures.js";

const CUSTODIANS = 3;
const SECRET = 32; // bytes
const SHARE = (65 + 16) * 2 + SECRET; // bytes: sealed twice
const TOLERANCE = 1; // day between two clocks

const PLACE = { v: fields.exactly(2), unit: fields.point };
export const CUSTODIAN = fields.record({ ...PLACE, id: fields.identifier, name: fields.name, reading: fields.point });
const KEPT = fields.record({
  v: fields.exactly(2),
  id: fields.identifier,
  unit: fields.point,
  reading: fields.privateKey,
  signing: fields.privateKey,
  unit_key: fields.privateKey,
});
const CUSTODIAN_KEY = fields.record({
  v: fields.exactly(2), id: fields.identifier, unit: fields.point, reading: fields.privateKey,
});
const PRESENT = fields.array(fields.identifier, 2, CUSTODIANS, fields.itself);
const SHARE_FIELDS = fields.record({
  pair: fields.array(fields.identifier, 2, 2, fields.itself), sealed: fields.coded(SHARE),
});
export const SIGNED_CUSTODY = fields.record({
  custody: fields.record({
    ...PLACE,
    recovery: fields.identifier,
    custodians: fields.array(CUSTODIAN, CUSTODIANS, CUSTODIANS, ({ id }) => id),
    shares: fields.array(SHARE_FIELDS, CUSTODIANS, CUSTODIANS, ({ pair }) => pair.join(" ")),
    keys: fields.BOX,
  }),
  signature: fields.signature,
});
export const SIGNED_REHEARSAL = fields.record({
  rehearsal: fields.record({ ...PLACE, recovery: fields.identifier, custodians: PRESENT, day: fields.day }),
  signature: fields.signature,
});
export const SIGNED_USE = fields.record({
  use: fields.record({
    ...PLACE,
    recovery: fields.identifier,
    custodians: PRESENT,
    purpose: fields.oneOf("cases", "unit"),
    day: fields.day,
    nonce: fields.identifier,
  }),
  signature: fields.signature,
});

const parse = (check, where) => (value) => {
  check(value, where);
  return value;
};
export const parseCustody = parse(SIGNED_CUSTODY, "custody");
export const parseRehearsal = parse(SIGNED_REHEARSAL, "rehearsal");
export const parseUse = parse(SIGNED_USE, "use");

// ---------------------------------------------------------------- custodians

// Over the whole statement: the head compares it with what the custodian reads out.
export const custodianFingerprint = async (custodian) => inGroups(await sha256(bound("custodian", custodian)));

const custodianAad = ({ id, unit }) => bound("custodian-key", { id, unit });
export const custodianKey = (secret) => deriveKey(secret, "custodian"); // of the custodian's code

// A custodian's private key (PKCS #8), under the key of their code.
export function wrapCustodian(key, custodian, pkcs8, iv) {
  const { id, unit } = custodian;
  return encrypt(key, utf8(canonical({ v: 2, id, unit, reading: pkcs8 })), custodianAad(custodian), iv);
}

// The custodian's pair with its pkcs8; throws Altered also where the key is not the one in the statement.
export async function unwrapCustodian(key, box, custodian) {
  const kept = readBytes(await decrypt(key, box, custodianAad(custodian), "custodian"));
  CUSTODIAN_KEY(kept, "custodian");
  const { id, unit, reading } = custodian;
  const pair = await importReadingKey(kept.reading, "custodian.reading");
  if (kept.id !== id || kept.unit !== unit || pair.point !== reading) throw new Altered("custodian");
  return { ...pair, pkcs8: kept.reading };
}

// ---------------------------------------------------------------- the custody

const pairsOf = ([a, b, c]) => [[a, b], [a, c], [b, c]];
const shareInfo = (unit, recovery, pair) => bound("custody", { unit, recovery, pair });
const keysAad = (unit, recovery) => bound("custody-keys", { unit, recovery });

async function keysKey(secret) {
  return deriveKey(await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]), "custody");
}

// Encrypts the keys for each pair of these three custodians, and signs with the unit's key that is among them.
export async function sealCustody(kept, custodians) {
  const { unit, id: recovery } = kept;
  const secret = crypto.getRandomValues(new Uint8Array(SECRET));
  const sorted = [...custodians].sort((left, right) => (left.id < right.id ? -1 : 1));
  const custody = {
    v: 2,
    unit,
    recovery,
    custodians: sorted,
    shares: await Promise.all(pairsOf(sorted).map((pair) => sealShare(secret, unit, recovery, pair))),
    keys: await encrypt(await keysKey(secret), utf8(canonical(kept)), keysAad(unit, recovery)),
  };
  const { privateKey } = await importSigningKey(kept.unit_key, "kept.unit_key");
  return parseCustody({ custody, signature: await sign(privateKey, "custody", custody) });
}

async function sealShare(secret, unit, recovery, [first, second]) {
  const pair = [first.id, second.id];
  const info = shareInfo(unit, recovery, pair);
  const inner = decode(await sealTo(secret, second.reading, info));
  return { pair, sealed: await sealTo(inner, first.reading, info) };
}

// That this unit made a custody for each pair of three custodians.
export async function checkCustody({ custody, signature }, unit) {
  if (custody.unit !== unit || custody.custodians.some((one) => one.unit !== unit)) throw new Altered("custody.unit");
  await verify(unit, signature, "custody", custody, "custody.signature");
  const pairs = pairsOf(custody.custodians.map(({ id }) => id));
  if (canonical(custody.shares.map(({ pair }) => pair)) !== canonical(pairs)) throw new Altered("custody.shares");
  if (new Set(custody.custodians.map(({ reading }) => reading)).size !== CUSTODIANS) throw new Altered("custody.keys");
  return custody;
}

// The keys, opened by the pairs of two custodians: `present` is a Map by id.
export async function openCustody({ unit, recovery, shares, keys }, present) {
  const ids = [...present.keys()].sort();
  const share = shares.find(({ pair }) => canonical(pair) === canonical(ids));
  if (!share) throw new Refused("custody.pair");
  const info = shareInfo(unit, recovery, ids);
  const inner = await openSealed(share.sealed, present.get(ids[0]), info, "custody.share");
  const secret = await openSealed(encode(inner), present.get(ids[1]), info, "custody.share");
  const kept = readBytes(await decrypt(await keysKey(secret), keys, keysAad(unit, recovery), "custody.keys"));
  KEPT(kept, "custody.keys");
  if (kept.id !== recovery || kept.unit !== unit) throw new Altered("custody.keys");
  return kept;
}

// The pairs { reading, signing, unitKey }, if they are those of the unit and of its recovery reader.
export async function checkKept(kept, chain) {
  const { join } = recoveryOf(chain, kept.id, "custody.recovery");
  const reading = await importReadingKey(kept.reading, "kept.reading");
  const signing = await importSigningKey(kept.signing, "kept.signing");
  const unitKey = await importSigningKey(kept.unit_key, "kept.unit_key");
  const isRight = reading.point === join.reading && signing.point === join.signing && unitKey.point === chain.newest.unit;
  if (!isRight) throw new Altered("custody.keys");
  return { reading, signing, unitKey };
}

// ---------------------------------------------------------------- rehearsal and use

// The active recovery reader of the newest list, or null.
export const recoveryReader = ({ byId }) =>
  [...byId.values()].find(({ join, ended }) => join.role === "recovery" && !ended) ?? null;

function recoveryOf(chain, id, what) {
  const reader = recoveryReader(chain);
  if (reader?.join.id !== id) throw new Altered(what);
  return reader;
}

export const signRehearsal = async (privateKey, rehearsal) =>
  parseRehearsal({ rehearsal, signature: await sign(privateKey, "rehearsal", rehearsal) });
export const signUse = async (privateKey, use) => parseUse({ use, signature: await sign(privateKey, "use", use) });

// That the active recovery key says which of its custodians have opened it.
export async function checkRehearsal({ rehearsal, signature }, custody, chain) {
  await checkStatement(rehearsal, signature, "rehearsal", custody, chain);
  return rehearsal;
}

// That the active recovery key says, give or take a day today, that it is used.
export async function checkUse({ use, signature }, custody, chain, today) {
  await checkStatement(use, signature, "use", custody, chain);
  if (Math.abs(fields.dayNumber(use.day) - fields.dayNumber(today)) > TOLERANCE) throw new Refused("use.day");
  return use;
}

async function checkStatement(statement, signature, label, custody, chain) {
  const { join } = recoveryOf(chain, statement.recovery, label + ".recovery");
  if (custody.recovery !== statement.recovery || statement.unit !== chain.newest.unit) throw new Altered(label + ".recovery");
  const ids = custody.custodians.map(({ id }) => id);
  if (!statement.custodians.every((id) => ids.includes(id))) throw new Altered(label + ".custodians");
  await verify(join.signing, signature, label, statement, label + ".signature");
}
