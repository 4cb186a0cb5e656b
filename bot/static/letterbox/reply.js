// A further letter from the asker: a reply, or a change of who may read. Whatever fails, what was entered stays where it
// is; what does not verify is never answered.

import { nextSeal } from "../sealing/epochs.js";
import { Altered, WrongClock } from "../sealing/errors.js";
import { ASKER } from "../sealing/fields.js";
import { isOfficer } from "../sealing/lists.js";
import { sealBox } from "./box.js";
import { OPEN_CASE, chosen, focusChoice } from "./choice.js";
import { $, request, showAltered, showPhrase, textOf, valuesOf } from "./page.js";
import { standing } from "./reading.js";
import { sealNext } from "./seal.js";
import { notInForce } from "./trust.js";

const STALE = ["seq", "keys", "version"]; // there is something newer on the server than on the page

export const text = () => $("reply-text").value.trim();

// What a form sends: `draft` gives { text, change } or the phrase `problem` why it sends nothing; `hasArrived` says of the
// case, loaded once more, whether it holds that already; `known` is the number of letters that it had before.
const REPLY = {
  form: "reply",
  draft: () => (text() ? { text: text() } : { problem: "error_text" }),
  hasArrived: ({ thread, contents }, known) =>
    contents.some((content, at) => at >= known && thread.letters[at].context.author === ASKER && content.text === text()),
  clear: () => ($("reply-text").value = ""),
  focus: () => $("reply-text").focus(),
};

export const ACCESS = {
  form: "access",
  draft: (open) => {
    const change = accessChange(open);
    if (!change) return { problem: "choice_same" };
    if (!change.readers.some((id) => isOfficer(open.chain, id))) return { problem: "choice_none" };
    return { text: textOf("access_letter"), change };
  },
  hasArrived: (open) => !accessChange(open),
  clear: () => {},
  focus: () => focusChoice(OPEN_CASE),
};

// What the checkboxes change of who reads and who is excluded, or null.
function accessChange(open) {
  const now = standing(open);
  const { readers, excluded } = chosen(OPEN_CASE, now.excluded);
  if (readers.join() === [...now.readers].join() && excluded.join() === now.excluded.join()) return null;
  return { readers, excluded, added: readers.filter((id) => !now.readers.includes(id)) };
}

// `open` is the open case of thread.js, `reload` fetches it once more; `isRetry`: this letter met a newer box before.
export async function send(open, reload, sent = REPLY, isRetry = false) {
  const { problem, text, change } = sent.draft(open);
  if (problem) return fail(sent, problem);
  await open.kept;
  let posting;
  try {
    posting = await seal(open, { text, fields: {} }, change);
  } catch (error) {
    return showUnsealed(sent, error);
  }
  const { status, content } = await request("/c/letters", posting);
  if (status === 201) return showSent(sent, await reload());
  if (STALE.includes(content.error)) return meetNewer(open, reload, sent, content.error, isRetry);
  const closed = content.reason ? "error_closed" : "reply_closed"; // the whole letterbox, or this case
  const known = { closed, day: "error_day", size: "error_size", later: "error_later", full: "reply_full" };
  return fail(sent, status === 0 || status >= 500 ? "error_network" : known[content.error] || "error_server", valuesOf(content));
}

// The letter with its rows of access and the next version of the box, all made for this one request.
async function seal(open, content, change) {
  const { secrets, asker, newest, thread, chain, own, remembered } = open;
  const reason = notInForce(chain);
  if (reason === "clock") throw new WrongClock("list.day");
  const rule = { seen: remembered, floor: asker.list.serial, isInForce: reason === "", change };
  const { letter, access, thread: longer } = await sealNext(open, nextSeal(thread, chain, ASKER, rule), "reply", content);
  const seen = { seq: longer.letters.length, hash: longer.hashes.at(-1) };
  const next = { ...asker, list: newest.list, seen, version: asker.version + 1 };
  return { locator: secrets.locator, letter, access, ...(await sealBox(secrets, next, own.signing)) };
}

function showUnsealed(sent, error) {
  if (error instanceof Altered) return showAltered("letters");
  const refused = { "seal.readers": "reply_readers", "content.size": "error_size" };
  const known = { expired: "reply_expired", clock: "error_day", refused: refused[error.reason] };
  return fail(sent, known[error.kind] || "error_crypto");
}

// Shows what is newer. If that is this letter, sent earlier and never acknowledged, then it has arrived. If no letter is
// newer, another device kept a newer box, and the letter is sealed once more.
async function meetNewer({ thread }, reload, sent, error, isRetry) {
  const { open, problem } = await reload();
  if (problem) return fail(sent, ...problem);
  if (!open) return undefined;
  const known = thread.letters.length;
  if (sent.hasArrived(open, known)) return showSent(sent, { open });
  if (open.thread.letters.length > known) return fail(sent, "reply_seq");
  if (error === "version" && !isRetry) return send(open, reload, sent, true);
  return fail(sent, error === "keys" ? "reply_keys" : "error_server");
}

function showSent(sent, { open, problem = null }) {
  sent.clear();
  if (open) showPhrase(sent.form + "-done", sent.form + "_sent");
  if (problem) fail(sent, ...problem);
}

function fail(sent, key, values = {}) {
  showPhrase(sent.form + "-error", key, values);
  sent.focus();
}
