// Threads: the rules between the letters of a case, checked by the server without a key and by readers with it.
// A thread is { letters, hashes, grants: [{ epoch, author, seq, grant }] }; the functions below say more about one.

import { normalise } from "./boxes.js";
import { decode } from "./canonical.js";
import { Altered, Refused, WrongKey } from "./errors.js";
import { ASKER, dayNumber } from "./fields.js";
import { commit } from "./keys.js";
import { letterHash, openLetter, verifyLetter } from "./letters.js";
import { isActive, isOfficer } from "./lists.js";

const KINDS_OF_ASKER = ["ask", "reply", "close", "resume"];
const KINDS_OF_OFFICER = {
  talk: ["answer", "question", "reply", "hand", "close", "resume"],
  notes: ["note", "hand", "resume"],
};

export const NO_LETTERS = { letters: [], hashes: [], grants: [] };
const last = (list) => list[list.length - 1];

export const caseOf = ({ letters }) => letters[0].context.case;
export const laneOf = ({ letters }) => letters[0].context.lane;
export const listSerial = ({ letters }) => Math.max(0, ...letters.map(({ context }) => context.list));
export const readersOf = ({ grants }) => last(grants).grant.readers;
export const excludedOf = ({ grants }) => last(grants).grant.excluded;
export const askerSigning = ({ grants }) => grants[0].grant.asker?.signing || "";

// ---------------------------------------------------------------- without a key

export async function checkThread(letters, chain) {
  if (!letters.length) throw new Altered("thread.empty");
  let thread = NO_LETTERS;
  for (const letter of letters) thread = await extend(thread, letter, chain);
  return thread;
}

// The thread with one letter more, which is checked by the rules 1 to 6.
export async function extend(thread, letter, chain) {
  const { context } = letter;
  checkOrder(thread, context);
  checkEpoch(thread, context);
  checkList(thread, context, chain);
  checkAuthor(thread, context, chain);
  checkGrant(thread, context, chain);
  await verifyLetter(letter, signingKey(thread, context, chain));
  const { epoch, author, seq, grant } = context;
  return {
    letters: [...thread.letters, letter],
    hashes: [...thread.hashes, await letterHash(letter)],
    grants: grant ? [...thread.grants, { epoch, author, seq, grant }] : thread.grants,
  };
}

// Rule 1: one case and lane, numbers without a gap, each letter naming the one before.
function checkOrder(thread, context) {
  const { letters, hashes } = thread;
  if (letters.length && (context.case !== caseOf(thread) || context.lane !== laneOf(thread))) throw new Altered("thread.case");
  if (context.seq !== letters.length + 1) throw new Altered("thread.seq");
  if (context.previous !== (last(hashes) || "")) throw new Altered("thread.previous");
  if (context.lost.some((hash) => hashes.includes(hash))) throw new Altered("thread.lost");
}

// Rule 3: an epoch begins with a grant and only so; a letter of kind resume always grants.
function checkEpoch({ grants }, { epoch, grant, kind }) {
  if (epoch !== (grants.length ? last(grants).epoch : 0) + (grant ? 1 : 0)) throw new Altered("thread.epoch");
  if (kind === "resume" && !grant) throw new Altered("thread.resume");
}

// Rule 4, lists: never an older one than before, none newer than ours, and none of another chain.
function checkList({ letters }, { list, listhash }, chain) {
  if (letters.length && list < last(letters).context.list) throw new Altered("thread.list");
  if (list > chain.serial || (chain.hashes.has(list) && chain.hashes.get(list) !== listhash)) throw new Altered("thread.listhash");
}

// Rules 2 and 5 and the signer of rule 4: who may write which kind of letter.
function checkAuthor(thread, { author, lane, kind, seq, list, grant }, chain) {
  if (author === ASKER) {
    if (lane !== "talk" || !KINDS_OF_ASKER.includes(kind) || (kind === "ask") !== (seq === 1)) throw new Altered("thread.kind");
    return;
  }
  const isFirst = !thread.letters.length;
  if (isFirst && lane === "talk") throw new Altered("thread.author");
  if (isFirst && kind !== "note") throw new Altered("thread.kind");
  if (!isActive(chain, author, list)) throw new Altered("thread.signer");
  const readers = thread.grants.length ? readersOf(thread) : grant.readers;
  if (!readers.includes(author)) throw new Altered("thread.author");
  if (!(isOfficer(chain, author) ? KINDS_OF_OFFICER[lane] : ["hand"]).includes(kind)) throw new Altered("thread.kind");
}

// Rule 6: readers are active, one is an officer, none is excluded; only the asker changes who is.
function checkGrant(thread, { grant, list, author }, chain) {
  if (!grant) return;
  const { readers, excluded } = grant;
  if (!readers.every((reader) => isActive(chain, reader, list))) throw new Altered("thread.readers");
  if (!readers.some((reader) => isOfficer(chain, reader)) || readers.some((reader) => excluded.includes(reader))) {
    throw new Altered("thread.readers");
  }
  const former = thread.grants.length ? excludedOf(thread) : [];
  if (author !== ASKER && excluded.join() !== former.join()) throw new Altered("thread.excluded");
  if (author !== ASKER && barred(thread, chain).some((one) => readers.includes(one))) throw new Altered("thread.barred");
}

// Readers whom officers grant nothing to: those who are excluded under another id. Who joins the unit once more has a new
// id and the same name; a new recovery key takes the place of the former one. The asker may include them, so whom their
// newest grant names is not barred.
export function barred(thread, chain) {
  const asked = [...thread.grants].reverse().find(({ author }) => author === ASKER)?.grant.readers;
  if (!asked) return [];
  const excluded = excludedOf(thread).filter((one) => chain.byId.has(one)).map((one) => person(chain, one));
  return [...chain.byId.keys()].filter((one) => excluded.includes(person(chain, one)) && !asked.includes(one));
}

// Who a reader is, whatever their id: a name, or the recovery key.
function person(chain, id) {
  const { name } = chain.byId.get(id).join;
  return isOfficer(chain, id) ? normalise(name) || name : "";
}

function signingKey(thread, { author, grant }, chain) {
  if (author !== ASKER) return chain.byId.get(author).join.signing;
  return thread.grants.length ? askerSigning(thread) : grant.asker.signing;
}

// What the server checks before it stores a letter. Throws Refused for what an honest page mends by itself.
export async function checkPosted(thread, letter, chain, today, talk = null) {
  const extended = await extend(thread, letter, chain);
  const { list, day, lane } = letter.context;
  if (list !== chain.serial) throw new Refused("posted.list");
  if (Math.abs(dayNumber(day) - dayNumber(today)) > 1) throw new Refused("posted.day");
  if (lane === "notes" && !(talk && readersOf(extended).every((reader) => readersOf(talk).includes(reader)))) {
    throw new Refused("posted.readers");
  }
  return extended;
}

// ---------------------------------------------------------------- with a key

// All contents, from the key of the newest epoch backwards (rule 7); nothing if any key is not committed to.
export async function openThread(thread, key) {
  const { letters, grants } = thread;
  const isCommitted = async ({ epoch, grant }, one) =>
    (await commit(one, caseOf(thread), laneOf(thread), epoch)) === grant.commit;
  const keys = new Map([[last(grants).epoch, key]]);
  if (!(await isCommitted(last(grants), key))) throw new WrongKey("access.commit");
  for (let at = grants.length - 1; at > 0; at -= 1) {
    const { before } = await openLetter(keys.get(grants[at].epoch), letters[grants[at].seq - 1]);
    const former = decode(before, "content.before");
    if (!(await isCommitted(grants[at - 1], former))) throw new Altered("content.before");
    keys.set(grants[at - 1].epoch, former);
  }
  return Promise.all(letters.map((letter) => openLetter(keys.get(letter.context.epoch), letter)));
}

// ---------------------------------------------------------------- against what was seen before

// How many of the letters were seen. What a resume names as lost explains that the remembered letter is gone, and leaves
// all from the resume on unseen; but not the resume of an officer who has left, who may have signed it since.
export function checkSeen({ hashes, letters }, chain, first, seq, hash) {
  if (first !== hashes[0]) throw new Altered("seen.first");
  const explains = ({ lost, author }) => lost.includes(hash) && (author === ASKER || isActive(chain, author));
  const resume = letters.find(({ context }) => explains(context));
  if (resume) return Math.min(resume.context.seq - 1, seq);
  if (seq > letters.length) throw new Altered("seen.seq");
  if (hashes[seq - 1] !== hash) throw new Altered("seen.hash");
  return seq;
}
