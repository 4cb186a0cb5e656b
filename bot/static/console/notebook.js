// The officer's notebook: what was seen of lists and cases, stored sealed on the server, one version after another.

import { parseLetter } from "../sealing/letters.js";
import { pinOf } from "../sealing/lists.js";
import { merge, openNotebook, sealNotebook } from "../sealing/notebooks.js";
import { Altered } from "../sealing/errors.js";
import { askerSigning, caseOf, checkSeen, checkThread, laneOf } from "../sealing/threads.js";
import { floorOf, raiseFloor } from "./floor.js";
import { get, post, UserError, verifying } from "./page.js";
import { keys } from "./vault.js";

const ATTEMPTS = 3; // to store a version while another tab or device stores one too

let stored = null; // the newest version that this tab has read or written
let saving = Promise.resolve(); // saves of one tab follow each other

document.addEventListener("console:locked", () => (stored = null));

export const notebook = () => stored;
export const entryOf = (caseId) => stored.cases.find((entry) => entry.case === caseId && entry.lane === "talk");

// Opens what the server keeps: none at all is altered, and one older than this device has seen needs an explanation.
export async function openStored(given) {
  const { id, notebookKey } = keys();
  await verifying("altered_notebook", async () => {
    if (!given) throw new Altered("notebook.none");
    if (given.version < floorOf(id).version) throw new UserError("older_notebook");
    stored = await openNotebook(notebookKey, given.box, id, given.version);
  });
}

// The thread of a case as the server has it, verified without a key, beside the rest of its response.
export async function fetchThread(caseId, chain) {
  const { status, body } = await get(`/console/cases/${caseId}/letters`);
  if (status !== 200) throw new UserError(status === 409 ? "altered_thread" : "failed");
  return { body, thread: await verifying("altered_thread", () => checkedThread(caseId, body.letters, chain)) };
}

export async function checkedThread(caseId, letters, chain) {
  if (!Array.isArray(letters)) throw new Altered("thread.letters");
  const thread = await checkThread(letters.map(parseLetter), chain);
  if (caseOf(thread) !== caseId || laneOf(thread) !== "talk") throw new Altered("thread.case");
  return thread;
}

// That a thread holds what an entry remembers of it; returns how many of its letters were seen.
export function checkRemembered(thread, chain, { first, asker, seq, last: hash }) {
  if (askerSigning(thread) !== asker) throw new Altered("seen.asker");
  return checkSeen(thread, chain, first, seq, hash);
}

// ---------------------------------------------------------------- saving

// Stores the newest list, and an entry where one is given, and drops the cases `dropped`; returns the forks that a merge
// with another version found. `newestChain` fetches and verifies the lists again, as another device may have seen newer ones.
// Lists of a key of the unit that the officer has not confirmed are not remembered.
export const save = (chain, entry, newestChain, dropped = []) =>
  inTurn(() => {
    if (chain.newest.unit !== stored.unit) throw new UserError("next_unit");
    return write(chain, entry, newestChain, dropped);
  });

// Stores that the officer confirmed the key of the unit that leads this chain.
export const saveUnit = (chain) => inTurn(() => write(chain, null, async () => chain));

function inTurn(work) {
  const result = saving.then(work);
  saving = result.catch(() => {});
  return result;
}

async function write(chain, entry, newestChain, dropped = []) {
  const holder = keys();
  let next = await changed(chain, entry, dropped);
  if (!next) return [];
  const forks = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const box = await sealNotebook(holder.notebookKey, next);
    const { status, body } = await post("/console/notebook", { version: next.version, box });
    if (status === 201) {
      stored = next;
      raiseFloor(holder.id, { version: next.version, serial: next.list.serial });
      return forks;
    }
    if (status !== 409) break;
    const [merged, found] = await verifying("altered_notebook", () => mergeWith(next, body, holder, newestChain, dropped));
    next = merged;
    forks.push(...found);
  }
  throw new UserError("notebook_unsaved");
}

// The next version, or null where it would say the same as the stored one.
async function changed(chain, entry, dropped) {
  const place = ({ case: caseId, lane }) => caseId + " " + lane;
  const others = stored.cases.filter((one) => !dropped.includes(one.case) && (!entry || place(one) !== place(entry)));
  const cases = (entry ? [...others, entry] : others).sort((left, right) => (place(left) < place(right) ? -1 : 1));
  const isNewer = chain.serial > stored.list.serial;
  const [list, unit] = isNewer ? [await pinOf(chain.newest), chain.newest.unit] : [stored.list, stored.unit];
  const isSame = JSON.stringify([cases, list]) === JSON.stringify([stored.cases, stored.list]);
  return isSame ? null : { ...stored, version: stored.version + 1, unit, list, cases };
}

async function mergeWith(mine, { version, box }, { id, notebookKey }, newestChain, dropped) {
  if (version < stored.version) throw new Altered("notebook.version");
  const other = await openNotebook(notebookKey, box, id, version);
  const chain = await newestChain();
  const hashes = await hashesOf(differing(mine, other), chain);
  return merge(mine, other, (caseId, _, seq) => hashes.get(caseId)?.[seq - 1] ?? null, chain.hashes, dropped);
}

// Cases of which one notebook knows more letters than the other: their threads show whether one continues the other.
function differing(mine, other) {
  const numbers = new Map(other.cases.map((entry) => [entry.case, entry.seq]));
  return mine.cases.filter((entry) => numbers.has(entry.case) && numbers.get(entry.case) !== entry.seq);
}

async function hashesOf(entries, chain) {
  const found = new Map();
  for (const { case: caseId } of entries) {
    const fetched = await fetchThread(caseId, chain).catch(() => null);
    if (fetched) found.set(caseId, fetched.thread.hashes);
  }
  return found;
}
