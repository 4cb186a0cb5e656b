// What the holder of the unit's key makes: a recovery reader, the first list, each next list, and another key of the unit.

import { deriveKey } from "../sealing/boxes.js";
import { dayNumber } from "../sealing/fields.js";
import { checkNext, pinOf, signList, unitFingerprint } from "../sealing/lists.js";
import { prove } from "../sealing/readers.js";
import { newReadingPair, newSigningPair } from "../sealing/signatures.js";
import { signSuccession } from "../sealing/successions.js";
import { codeSecret, newId } from "../sealing/words.js";

const LONGEST = 45; // days that a list is in force

const byId = (left, right) => (left.join.id < right.join.id ? -1 : 1);
const entry = (join, proofs, since) => ({ join, scope: "", since, ended: 0, proofs });
const laterDay = (day, days) => new Date((dayNumber(day) + days) * 86400000).toISOString().slice(0, 10);

export const recoveryKey = async (code) => deriveKey(await codeSecret(code), "recovery");

// The commands with which whoever runs the server adopts the unit, and its next key: the fingerprint without spaces.
export const adoptCommand = async (unit) => "integra unit adopt " + (await digitsOf(unit));
export const succeedCommand = async (unit) => "integra unit succeed " + (await digitsOf(unit));
const digitsOf = async (unit) => (await unitFingerprint(unit)).replaceAll(" ", "");

// A recovery reader with new keys: its statement with the own proof, and the private keys (PKCS #8), which only
// custodians keep; in a trial nobody does.
export async function newRecovery(unit, name) {
  const [id, reading, signing] = [newId(), await newReadingPair(), await newSigningPair()];
  const join = { v: 2, unit, id, name, role: "recovery", reading: reading.point, signing: signing.point };
  return { join, proof: await prove(signing.privateKey, id, join), reading: reading.pkcs8, signing: signing.pkcs8 };
}

// Of the first officer alone; in a trial of a recovery reader too.
export async function firstList(unit, joining, day) {
  const readers = joining.map(({ join, proof }) => entry(join, [proof], 1)).sort(byId);
  const until = laterDay(day, LONGEST);
  const list = { v: 2, suite: 1, unit: unit.point, serial: 1, prev: "", day, until, custodians: [], readers };
  return signList(unit.privateKey, list);
}

// The list after the newest of the chain, with who is added and without who has left, in force from today for as long
// as can be. `custodians`: the names of those who keep the recovery key from then on.
export async function nextList(unit, chain, today, { added = [], ended = [], custodians = chain.newest.custodians }) {
  const { newest } = chain;
  const serial = newest.serial + 1;
  const former = newest.readers.map((reader) => (ended.includes(reader.join.id) ? { ...reader, ended: serial } : reader));
  const readers = [...former, ...added.map(({ join, proofs }) => entry(join, proofs, serial))].sort(byId);
  return signNext(unit, chain, { readers, custodians, ...daysFrom(today, newest) }, chain.succ);
}

// The first list of the unit's next key, with the same readers; the former key signs that the next one follows.
export async function nextUnitList(former, next, chain, today) {
  const { newest } = chain;
  const days = daysFrom(today, newest);
  const { serial } = newest;
  const succ = { v: 2, old: former.point, next: next.point, serial, day: days.day };
  const signed = await signSuccession(former.privateKey, succ);
  return signNext(next, chain, { unit: next.point, ...days }, [...chain.succ, signed]);
}

function daysFrom(today, newest) {
  const day = today < newest.day ? newest.day : today;
  return { day, until: laterDay(day, LONGEST) };
}

async function signNext({ privateKey }, chain, changes, succ) {
  const { hash: prev } = await pinOf(chain.newest);
  const signed = await signList(privateKey, { ...chain.newest, serial: chain.newest.serial + 1, prev, ...changes }, succ);
  await checkNext(chain, signed);
  return signed;
}
