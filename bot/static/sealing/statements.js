// Signed statements beside letters: that a case is erased.

import { read } from "./canonical.js";
import { Altered } from "./errors.js";
import * as fields from "./fields.js";
import { isActive, isOfficer } from "./lists.js";
import { verify } from "./signatures.js";
import { askerSigning, caseOf, laneOf } from "./threads.js";

const TWO_OFFICERS = fields.array(fields.identifier, 2, 2, fields.itself);
const ERASE = fields.record({
  erase: fields.record({
    v: fields.exactly(2),
    case: fields.identifier,
    last: fields.hashed,
    day: fields.day,
    by: fields.either(fields.ASKER, TWO_OFFICERS),
  }),
  signatures: fields.array(fields.signature, 1, 2),
});

function officerKey(id, chain, what) {
  if (!isOfficer(chain, id) || !isActive(chain, id)) throw new Altered(what);
  return chain.byId.get(id).join.signing;
}

export function readErase(text) {
  const value = read(text);
  ERASE(value, "erase");
  return value;
}

// A tombstone is by the case's asker, or by two active officers, and names the newest letter of lane talk.
export async function checkErase({ erase, signatures }, thread, chain) {
  const { hashes } = thread;
  if (erase.case !== caseOf(thread) || erase.last !== hashes[hashes.length - 1] || laneOf(thread) !== "talk") {
    throw new Altered("erase.case");
  }
  const points =
    erase.by === fields.ASKER ? [askerSigning(thread)] : erase.by.map((id) => officerKey(id, chain, "erase.by"));
  if (points.length !== signatures.length) throw new Altered("erase.signature");
  for (const [at, signature] of signatures.entries()) await verify(points[at], signature, "erase", erase, "erase.signature");
}
