// An earlier case: found with the eight words, verified from the first letter to the last, and opened.

import { normalise } from "../sealing/boxes.js";
import { baseGrant } from "../sealing/epochs.js";
import { WrongKey } from "../sealing/errors.js";
import { ACCESS, checkRows, openAccess } from "../sealing/keys.js";
import { parseLetter } from "../sealing/letters.js";
import { checkFloor, pinOf } from "../sealing/lists.js";
import { caseOf, checkSeen, checkThread, openThread } from "../sealing/threads.js";
import { knownWords } from "../sealing/words.js";
import { openBox, ownKeys, sealBox, secretsOf } from "./box.js";
import { OPEN_CASE, hasChanges } from "./choice.js";
import { $, busy, request, show, showAltered, showPhrase, valuesOf } from "./page.js";
import { download, render } from "./reading.js";
import * as reply from "./reply.js";
import { listForReading } from "./trust.js";

// The open case: { secrets, asker, id, thread, chain, own, caseKey, contents, newest, remembered, kept }. `asker` is what is
// in the box, `newest` what it is to remember: { list, seen }; `remembered` is the number of the newest letter that had been
// seen before this visit; `kept` settles when the server has answered whether it keeps `newest`.
let open = null;

const hasUnsentText = () => reply.text() !== "";
export const hasUnfinishedWork = () => hasUnsentText() || hasChanges();

export function addListeners() {
  $("open").addEventListener("submit", (event) => {
    event.preventDefault();
    showPhrase("open-error");
    busy($("open"), "words_opening", openWithWords);
  });
  $("reply").addEventListener("submit", (event) => {
    event.preventDefault();
    showPhrase("reply-error");
    showPhrase("reply-done");
    busy($("reply"), "sending", () => reply.send(open, reload));
  });
  $("access").addEventListener("submit", (event) => {
    event.preventDefault();
    showPhrase("access-error");
    showPhrase("access-done");
    busy($("access"), "sending", () => reply.send(open, reload, reply.ACCESS));
  });
  $("download").addEventListener("click", () => download(open));
  $("leave").addEventListener("click", leave);
}

async function openWithWords() {
  const typed = normalise($("words").value);
  const problem = wordProblem(typed.split(" ").filter(Boolean));
  if (problem) return refuse(...problem);
  forget();
  const unfetched = await load(await secretsOf(typed));
  if (unfetched) return refuse(...unfetched);
  $("words").value = "";
  return open && show("thread");
}

function refuse(key, values) {
  showPhrase("open-error", key, values);
  $("words").focus();
}

// Returns [phrase key, values] of what is wrong with the words, or null.
function wordProblem(typed) {
  if (typed.length !== 8) return ["words_count", { count: typed.length }];
  const word = typed.find((word) => !knownWords.has(word));
  return word ? ["words_unknown", { word }] : null;
}

// Fetches and opens the thread; returns [phrase key, values] of an error, or null. One that does not verify is never shown.
async function load(secrets) {
  const { status, content } = await request("/c/thread", { locator: secrets.locator });
  if (status === 404) return ["words_none"];
  if (status === 429) return ["error_later", valuesOf(content)];
  if (status !== 200 && content.error !== "altered") return ["error_fetch"];
  try {
    open = await verified(secrets, content, open);
    render(open, content, hasUnsentText());
  } catch (error) {
    open = null;
    showUnopened(error);
    return null;
  }
  open.kept = keepSeen(open).catch(() => {});
  return null;
}

// Loads the open case once more, for a reply that met something newer; returns it (null: it does not verify) and an error.
async function reload() {
  const problem = await load(open.secrets);
  return { open, problem };
}

function showUnopened({ kind }) {
  if (kind !== "wrong_key") return showAltered("letters");
  $("letters").replaceChildren();
  return show("wrong-key");
}

// `before` is the case as it was opened earlier in this visit, or null.
async function verified(secrets, content, before) {
  const asker = await openBox(secrets, content);
  const chain = await listForReading(content.list, asker);
  const thread = await checkThread(content.letters.map(parseLetter), chain);
  const numbers = [];
  for (const { list, seen } of before ? [asker, before.newest] : [asker]) {
    await checkFloor(chain.newest, list);
    numbers.push(checkSeen(thread, chain, asker.first, seen.seq, seen.hash));
  }
  const own = await ownKeys(asker, thread);
  const caseKey = await openKey(content.access, thread, own);
  const remembered = before ? before.remembered : numbers[0];
  return {
    ...{ secrets, asker: { ...asker, unit: chain.newest.unit }, id: asker.case, thread, chain, own, caseKey, contents: await openThread(thread, caseKey) },
    ...{ newest: { list: await pinOf(chain.newest), seen: seenNow(thread, chain, remembered) }, remembered },
  };
}

// What the box is to remember: not beyond a grant that does not count, whose author had left before it was first seen; it
// would count at the next visit.
function seenNow(thread, chain, remembered) {
  const { grants, hashes } = thread;
  const base = baseGrant(thread, chain, remembered);
  const uncounted = grants.find(({ seq }) => seq > base.seq);
  const seq = uncounted ? uncounted.seq - 1 : hashes.length;
  return { seq, hash: hashes[seq - 1] };
}

function openKey(access, thread, { reading }) {
  const { epoch, grant } = thread.grants.at(-1);
  if (access === null) throw new WrongKey("access");
  ACCESS(access, "access");
  checkRows([access], caseOf(thread), "talk", epoch, []);
  return openAccess(access, reading, grant.commit);
}

// Lets the box remember what was read, so that its loss is noticed. A failure is not shown, as nothing promised it.
async function keepSeen(opened) {
  const { asker, newest, own, secrets } = opened;
  if (asker.seen.hash === newest.seen.hash && asker.list.serial === newest.list.serial) return;
  const next = { ...asker, ...newest, version: asker.version + 1 };
  const { status } = await request("/c/seen", { locator: secrets.locator, ...(await sealBox(secrets, next, own.signing)) });
  if (status === 201) opened.asker = next;
}

function forget() {
  open = null;
  for (const id of ["letters", "access-now", OPEN_CASE, OPEN_CASE + "-note", "access-done"]) $(id).replaceChildren();
}

function leave() {
  forget();
  $("reply").reset();
  show("start");
}
