// What signed statements say of the recovery key: who keeps it, who has rehearsed, whether it was used; and how the
// holder of the unit's key makes the next one for three custodians.

import { checkCustody, checkRehearsal, checkUse, parseCustody, parseRehearsal, parseUse } from "../sealing/custody.js";
import { recoveryReader, sealCustody } from "../sealing/custody.js";
import { Altered } from "../sealing/errors.js";
import { isActive, isOfficer } from "../sealing/lists.js";
import { JOIN } from "../sealing/readers.js";
import { verify } from "../sealing/signatures.js";
import { phrase } from "./page.js";
import { newRecovery } from "./unit.js";

const PROOFS = 2; // officers who vouch for a reader, where there are as many

export const activeOfficers = (chain) => [...chain.byId.keys()].filter((id) => isActive(chain, id) && isOfficer(chain, id));
export const neededProofs = (chain) => Math.min(PROOFS, activeOfficers(chain).length);
export const namesOf = (custody) => custody.custodians.map(({ name }) => name);
const isSame = (left, right) => [...left].sort().join("\n") === [...right].sort().join("\n");

// { recovery, custody, rehearsed, missing, uses } of the newest list's recovery reader: `rehearsed` is a Set of custodians'
// ids, `missing` the pairs of custodians who have not rehearsed together: the share of a pair that never met could hold
// anything.
// Throws Altered where a statement does not fit the unit, the list or the key.
export async function standingOf(shown, chain) {
  const recovery = recoveryReader(chain);
  const nothing = { recovery, custody: null, rehearsed: new Set(), missing: [], uses: [] };
  if (!recovery || !shown.custody) return nothing;
  const custody = await checkCustody(parseCustody(shown.custody), chain.newest.unit);
  if (custody.recovery !== recovery.join.id) throw new Altered("custody.recovery");
  if (!isSame(namesOf(custody), chain.newest.custodians)) throw new Altered("custody.names");
  const together = [];
  for (const signed of shown.rehearsals) together.push((await checkRehearsal(parseRehearsal(signed), custody, chain)).custodians);
  const uses = [];
  for (const signed of shown.uses) {
    const { use } = parseUse(signed);
    uses.push(await checkUse(signed, custody, chain, use.day)); // of any day: it is the past that is shown
  }
  return { recovery, custody, rehearsed: new Set(together.flat()), missing: missingPairs(custody, together), uses };
}

// The pairs of a custody that none of these sittings, lists of ids, held together.
export function missingPairs({ custodians, shares }, together) {
  const byId = new Map(custodians.map((one) => [one.id, one]));
  const isMissing = ({ pair }) => !together.some((ids) => pair.every((id) => ids.includes(id)));
  return shares.filter(isMissing).map(({ pair }) => pair.map((id) => byId.get(id)));
}

export const isReady = ({ custody, missing, uses }) =>
  custody !== null && !uses.length && !missing.length;

// ---------------------------------------------------------------- the next one

// A new recovery key with its custody; `unit` is the unit's key with its bytes. The private keys stay nowhere else.
export async function newBackup(unit, custodians, name) {
  const { join, proof, reading, signing } = await newRecovery(unit.point, name);
  const kept = { v: 2, id: join.id, unit: unit.point, reading, signing, unit_key: unit.pkcs8 };
  return { join, proof, custody: await sealCustody(kept, custodians) };
}

// A proposed recovery key with the proofs of active officers, if it is for this unit and comes with its custody.
export async function checkProposal({ join, proofs, custody: signed }, chain) {
  JOIN(join, "join");
  const { unit } = chain.newest;
  if (join.unit !== unit || join.role !== "recovery" || chain.byId.has(join.id)) throw new Altered("join");
  const custody = await checkCustody(parseCustody(signed), unit);
  if (custody.recovery !== join.id) throw new Altered("custody.recovery");
  const own = proofs.find(({ id }) => id === join.id);
  await verify(join.signing, own?.signature, "join", join, "join.proof");
  const vouched = proofs.filter(({ id }) => activeOfficers(chain).includes(id));
  for (const { id, signature } of vouched) await verify(chain.byId.get(id).join.signing, signature, "join", join, "join.proof");
  return { join, own, vouched, custody };
}

// What changes in the list that puts a proposed recovery key in force: the former one ends.
export function changesOf({ join, own, vouched, custody }, chain) {
  const former = recoveryReader(chain);
  const proofs = [own, ...vouched.slice(0, neededProofs(chain))].sort((left, right) => (left.id < right.id ? -1 : 1));
  return { added: [{ join, proofs }], ended: former ? [former.join.id] : [], custodians: namesOf(custody) };
}

// Pairs of custodians as a page names them.
export const pairNames = (pairs) =>
  pairs.map(([first, second]) => phrase("pair", { first: first.name, second: second.name })).join("; ");
