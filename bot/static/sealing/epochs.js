// The rule for writing: under which epoch a letter may be sealed, and to whom a new one has to be granted.

import { normalise } from "./boxes.js";
import { Altered, Expired, Refused } from "./errors.js";
import { ASKER } from "./fields.js";
import { isActive, isOfficer } from "./lists.js";
import { barred, listSerial, readersOf } from "./threads.js";

const isEqual = (left, right) => left.join() === right.join();

// The newest grant that counts: one first seen after its author left changes neither readers nor exclusions, unless all
// officers of the one before are gone, so that only those whom it names can go on.
export function baseGrant({ grants }, chain, seen) {
  const counts = ({ seq, author }) => seq <= seen || author === ASKER || isActive(chain, author);
  const base = [...grants].reverse().find(counts) || grants[0];
  const goesOn = ({ grant }) => grant.readers.some((one) => isOfficer(chain, one) && isActive(chain, one));
  return [base, grants[grants.length - 1]].find(goesOn) || base;
}

// Which epoch to keep or to grant: { epoch, isGrant, readers, excluded }.
// `seen`: number of the newest letter remembered; `floor`: serial of the newest list remembered;
// `change`: { added, leaves, excluded, resumes }; `talk`: lane talk where the letter is a note.
export function nextSeal(thread, chain, author, { seen, floor, isInForce, change = {}, talk = null }) {
  if (chain.serial < Math.max(listSerial(thread), floor)) throw new Altered("list.floor");
  if (author !== ASKER && !(readersOf(thread).includes(author) && isActive(chain, author))) throw new Refused("seal.author");
  const newest = thread.grants[thread.grants.length - 1];
  const base = baseGrant(thread, chain, seen);
  const excluded = nextExcluded(base, author, change);
  const isIncluded = (one) => author === ASKER && (change.added || []).includes(one);
  const out = [...excluded, ...barred(thread, chain).filter((one) => !isIncluded(one))];
  const readers = nextReaders(base, chain, author, change, out, talk);
  const isKept =
    newest === base &&
    !change.resumes &&
    (newest.author === ASKER || (base.grant.readers.includes(newest.author) && isActive(chain, newest.author))) &&
    isEqual(readers, base.grant.readers) &&
    isEqual(excluded, base.grant.excluded);
  if (isKept) return { epoch: newest.epoch, isGrant: false, readers, excluded };
  if (!readers.some((reader) => isOfficer(chain, reader))) throw new Refused("seal.readers");
  if (!isInForce) throw new Expired("seal.grant");
  return { epoch: newest.epoch + 1, isGrant: true, readers, excluded };
}

// Those of the excluded who keep the recovery key of the newest list, by their names there: with a second custodian they
// would read what is sealed to it.
export function keepers({ newest, byId }, excluded) {
  const custodians = newest.custodians.map(normalise);
  return excluded.filter((one) => byId.has(one) && custodians.includes(normalise(byId.get(one).join.name)));
}

function nextExcluded(base, author, { excluded = null }) {
  if (excluded === null) return [...base.grant.excluded];
  if (author !== ASKER) throw new Refused("seal.excluded");
  return [...new Set(excluded)].sort();
}

// Readers of the grant that counts, without those who are gone or `out`, with those who are handed to.
function nextReaders(base, chain, author, { added = [], leaves = false }, out, talk) {
  if (added.some((one) => !isActive(chain, one) || out.includes(one))) throw new Refused("seal.added");
  const former = base.grant.readers;
  const isEndedRecovery = (one) => !isOfficer(chain, one) && !isActive(chain, one);
  const recovery = [...chain.byId.keys()].filter((one) => isActive(chain, one) && !isOfficer(chain, one));
  const isReplaced = former.some(isEndedRecovery) && !keepers(chain, out).length;
  const readers = [...former.filter((one) => isActive(chain, one)), ...added, ...(isReplaced ? recovery : [])];
  const stays = (one) =>
    !out.includes(one) && !(leaves && one === author) && (talk === null || readersOf(talk).includes(one));
  return [...new Set(readers)].filter(stays).sort();
}
