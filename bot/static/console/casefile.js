// The letters of one case: verified and compared with the notebook, opened with this officer's key, and the next one.

import { baseGrant, nextSeal } from "../sealing/epochs.js";
import { WrongKey } from "../sealing/errors.js";
import { openAccess } from "../sealing/keys.js";
import { askerSigning, caseOf, extend, laneOf, openThread } from "../sealing/threads.js";
import { sealLetterOf } from "./letter.js";
import { checkRemembered, fetchThread, notebook } from "./notebook.js";
import { laterBy, post, UserError, verifying } from "./page.js";
import { keys } from "./vault.js";

const STATES = { close: "closed", answer: "answered", question: "asked_back" }; // by the kind of a letter
const UNWRITTEN = ["received", "open"]; // what the row alone may say: no letter tells them apart

const last = (list) => list[list.length - 1];

// { thread, key, contents, seen, state }; `seen`: number of the newest letter remembered before.
export async function openCase(caseId, chain, entry) {
  const { body, thread } = await fetchThread(caseId, chain);
  return verifying("altered_thread", async () => {
    const seen = entry ? checkRemembered(thread, chain, entry) : 0;
    const key = await ownKey(thread, body.access);
    const contents = await openThread(thread, key);
    const state = stateOf(thread) ?? (UNWRITTEN.includes(body.state) ? body.state : "open");
    return { thread, key, contents, seen, state };
  });
}

// By the newest letter that says one; handing over leaves a case where it is.
function stateOf({ letters }) {
  return STATES[last(letters.filter(({ context }) => context.kind !== "hand")).context.kind];
}

// The key of the newest epoch, if it was sealed to this officer and is the one that the grant commits to.
async function ownKey(thread, access) {
  const { id, reading } = keys();
  const { epoch, grant } = last(thread.grants);
  if (!access) throw new WrongKey("access.none");
  const place = { case: caseOf(thread), lane: laneOf(thread), epoch, reader: id };
  return openAccess({ ...place, sealed: access.sealed }, reading, grant.commit);
}

// What the notebook remembers of a thread. A grant that does not count, as its author had left before it was first seen,
// is not remembered: it would count from then on.
export function remembered({ thread, seen }, chain) {
  const { hashes, letters, grants } = thread;
  const base = baseGrant(thread, chain, seen);
  const uncounted = grants.find(({ seq }) => seq > base.seq);
  const seq = uncounted ? uncounted.seq - 1 : letters.length;
  const place = { case: caseOf(thread), lane: laneOf(thread) };
  return { ...place, first: hashes[0], asker: askerSigning(thread), seq, last: hashes[seq - 1] };
}

// ---------------------------------------------------------------- writing

// The next letter, sealed by `sealNext`; what does not fit or may not be written is explained.
export const sealed = (opened, chain, written, isInForce) =>
  verifying("altered_thread", () =>
    sealNext(opened, chain, written, isInForce).catch((error) => {
      throw error.reason === "content.size" ? new UserError("too_long") : error;
    }),
  );

// The sealed and signed letter with what is posted beside it: { letter, access, bell, key }. It grants a new epoch
// where the rule for writing, or the `change` of readers, asks for one.
async function sealNext({ thread, key, contents, seen }, chain, { kind, text, change = {} }, isInForce) {
  const { id, signing } = keys();
  const seal = nextSeal(thread, chain, id, { seen, floor: notebook().list.serial, isInForce, change });
  const made = await sealLetterOf({ id, signing }, { thread, key }, chain, seal, { kind, text });
  return { ...made, bell: contents[0].bell };
}

// The case with a letter more, which this officer has just sent.
export async function extended(opened, chain, { letter, key }, text) {
  const thread = await extend(opened.thread, letter, chain);
  const contents = [...opened.contents, { text, fields: {}, before: "", bell: "" }];
  return { ...opened, thread, key, contents, seen: thread.letters.length, state: stateOf(thread) ?? opened.state };
}

// Posts a sealed letter: nothing is stored where it is refused.
export async function postLetter(caseId, { letter, access, bell }) {
  const posted = post(`/console/cases/${caseId}/letters`, { letter, access, bell });
  const { status, body } = await posted.catch(laterBy("letters_later"));
  if (status !== 201) throw refusal(body?.error);
}

// Why a letter was not taken: each reason of the server has its own sentence.
function refusal(error) {
  const known = { seq: "news_meanwhile", closed: "closed", keys: "keys_meanwhile_letter", day: "clock", full: "letters_full" };
  return new UserError(known[error] ?? "failed");
}
