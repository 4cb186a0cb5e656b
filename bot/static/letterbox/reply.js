// A further letter from the asker. Whatever fails, the text stays in its field; what does not verify is never answered.

import { nextSeal } from "../sealing/epochs.js";
import { Altered, WrongClock } from "../sealing/errors.js";
import { ASKER } from "../sealing/fields.js";
import { sealBox } from "./box.js";
import { $, request, showAltered, showPhrase } from "./page.js";
import { sealNext } from "./seal.js";
import { notInForce } from "./trust.js";

const STALE = ["seq", "keys", "version"]; // there is something newer on the server than on the page

export const text = () => $("reply-text").value.trim();

// `open` is the open case of thread.js, `reload` fetches it once more; `isRetry`: this reply met a newer box before.
export async function send(open, reload, isRetry = false) {
  if (!text()) return fail("error_text");
  await open.kept;
  let posting;
  try {
    posting = await seal(open, { text: text(), fields: {} });
  } catch (error) {
    return showUnsealed(error);
  }
  const { status, content } = await request("/c/letters", posting);
  if (status === 201) return showSent(await reload());
  if (STALE.includes(content.error)) return meetNewer(open, reload, content.error, isRetry);
  const closed = content.reason ? "error_closed" : "reply_closed"; // the whole letterbox, or this case
  const known = { closed, day: "error_day", size: "error_size" };
  return fail(status === 0 || status >= 500 ? "error_network" : known[content.error] || "error_server");
}

// The letter with its rows of access and the next version of the box, all made for this one request.
async function seal(open, content) {
  const { secrets, asker, newest, thread, chain, own, remembered } = open;
  const reason = notInForce(chain);
  if (reason === "clock") throw new WrongClock("list.day");
  const rule = { seen: remembered, floor: asker.list.serial, isInForce: reason === "" };
  const { letter, access, thread: longer } = await sealNext(open, nextSeal(thread, chain, ASKER, rule), "reply", content);
  const seen = { seq: longer.letters.length, hash: longer.hashes.at(-1) };
  const next = { ...asker, list: newest.list, seen, version: asker.version + 1 };
  return { locator: secrets.locator, letter, access, ...(await sealBox(secrets, next, own.signing)) };
}

function showUnsealed(error) {
  if (error instanceof Altered) return showAltered("letters");
  const refused = { "seal.readers": "reply_readers", "content.size": "error_size" };
  const known = { expired: "reply_expired", clock: "error_day", refused: refused[error.reason] };
  return fail(known[error.kind] || "error_crypto");
}

// Shows what is newer. If that is this reply, sent earlier and never acknowledged, then it has arrived. If no letter is
// newer, another device kept a newer box, and the reply is sealed once more.
async function meetNewer({ thread }, reload, error, isRetry) {
  const { open, problem } = await reload();
  if (problem) return fail(problem);
  if (!open) return undefined;
  const known = thread.letters.length;
  const isOwn = ({ text: sent }, at) => open.thread.letters[at].context.author === ASKER && sent === text();
  if (open.contents.some((content, at) => at >= known && isOwn(content, at))) return showSent({ open });
  if (open.thread.letters.length > known) return fail("reply_seq");
  if (error === "version" && !isRetry) return send(open, reload, true);
  return fail(error === "keys" ? "reply_keys" : "error_server");
}

function showSent({ open, problem = "" }) {
  $("reply-text").value = "";
  if (open) showPhrase("reply-done", "reply_sent");
  if (problem) fail(problem);
}

function fail(key) {
  showPhrase("reply-error", key);
  $("reply-text").focus();
}
