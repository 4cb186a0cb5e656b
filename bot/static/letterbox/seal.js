// Seals one letter of the asker: under the present key of the case, or as a grant of a new one with its rows of access.

import { encode } from "../sealing/canonical.js";
import { ASKER } from "../sealing/fields.js";
import { commit, newCaseKey, sealAccess } from "../sealing/keys.js";
import { sealLetter } from "../sealing/letters.js";
import { extend } from "../sealing/threads.js";
import { today } from "./trust.js";

const LANE = "talk";

// `story`: { id, thread, chain, own, caseKey }, `own` being the asker's pairs of keys and `caseKey` null before the first
// letter; `seal` as from nextSeal. Returns { letter, access, thread } with the thread as it is once this is stored.
// Each call makes a new iv and, in a grant, a new key: what the server refused is never sent again.
export async function sealNext({ id, thread, chain, own, caseKey }, seal, kind, content) {
  const key = seal.isGrant ? newCaseKey() : caseKey;
  const context = {
    ...{ v: 2, suite: 1, case: id, lane: LANE, seq: thread.letters.length + 1, epoch: seal.epoch, kind, author: ASKER },
    ...{ list: chain.serial, listhash: chain.hashes.get(chain.serial), day: today() },
    ...{ previous: thread.hashes.at(-1) || "", grant: seal.isGrant ? await grant(id, key, seal, thread, own) : null, lost: [] },
  };
  const before = seal.isGrant && caseKey ? encode(caseKey) : "";
  const letter = await sealLetter(key, context, { bell: "", ...content, before }, own.signing.privateKey);
  const access = seal.isGrant ? await accessRows(id, key, seal, chain, own) : [];
  return { letter, access, thread: await extend(thread, letter, chain) };
}

async function grant(id, key, { epoch, readers, excluded }, { letters }, { reading, signing }) {
  const asker = letters.length ? null : { reading: reading.point, signing: signing.point };
  return { commit: await commit(key, id, LANE, epoch), readers, excluded, asker };
}

function accessRows(id, key, { epoch, readers }, chain, own) {
  const points = readers.map((reader) => [reader, chain.byId.get(reader).join.reading]);
  points.push([ASKER, own.reading.point]);
  return Promise.all(points.map(([reader, point]) => sealAccess(key, point, id, LANE, epoch, reader)));
}
