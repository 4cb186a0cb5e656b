// Seals the next letter of a case, of an officer or of the recovery key: under the present key, or as a grant of a new one.

import { encode } from "../sealing/canonical.js";
import { ASKER } from "../sealing/fields.js";
import { commit, newCaseKey, sealAccess } from "../sealing/keys.js";
import { sealLetter } from "../sealing/letters.js";
import { caseOf, laneOf } from "../sealing/threads.js";
import { today } from "./trust.js";

// { letter, access, key }: `author` is { id, signing (a pair) }, `key` that of the thread's newest epoch, `seal` as from
// nextSeal.
export async function sealLetterOf(author, { thread, key }, chain, seal, { kind, text }) {
  const newKey = seal.isGrant ? newCaseKey() : key;
  const context = await contextOf(author.id, thread, chain, seal, newKey, kind);
  const before = seal.isGrant ? encode(key) : "";
  const letter = await sealLetter(newKey, context, { text, fields: {}, before, bell: "" }, author.signing.privateKey);
  const access = seal.isGrant ? await accessRows(thread, chain, seal, newKey) : [];
  return { letter, access, key: newKey };
}

async function contextOf(author, thread, chain, { epoch, isGrant, readers, excluded }, key, kind) {
  const place = { case: caseOf(thread), lane: laneOf(thread) };
  const grant = { commit: await commit(key, place.case, place.lane, epoch), readers, excluded, asker: null };
  return {
    v: 2,
    suite: 1,
    ...place,
    seq: thread.letters.length + 1,
    epoch,
    kind,
    author,
    list: chain.serial,
    listhash: chain.hashes.get(chain.serial),
    day: today(),
    previous: thread.hashes[thread.hashes.length - 1],
    grant: isGrant ? grant : null,
    lost: [],
  };
}

function accessRows(thread, chain, { epoch, readers }, key) {
  const points = readers.map((id) => [id, chain.byId.get(id).join.reading]);
  const asker = [ASKER, thread.grants[0].grant.asker.reading];
  const place = [caseOf(thread), laneOf(thread), epoch];
  return Promise.all([...points, asker].map(([reader, point]) => sealAccess(key, point, ...place, reader)));
}
