// Handing a case over: who may be chosen, what changes in one case, and the letter that does it.

import { baseGrant } from "../sealing/epochs.js";
import { isActive, isOfficer } from "../sealing/lists.js";
import { barred, caseOf, excludedOf } from "../sealing/threads.js";
import { extended, openCase, postLetter, remembered, sealed } from "./casefile.js";
import { isStopped } from "./findings.js";
import { entryOf } from "./notebook.js";
import { main, phrase, UserError } from "./page.js";
import { checkClock, isInForce, refresh, remember } from "./trust.js";
import { keys } from "./vault.js";

const ATTEMPTS = 3; // while others write in the same case
const MENDED = ["news_meanwhile", "keys_meanwhile_letter"]; // by opening the case again

// Ids by the names of their officers.
const byName = (ids, { byId }) =>
  [...ids].sort((left, right) => byId.get(left).join.name.localeCompare(byId.get(right).join.name));

export const names = (ids, chain) =>
  new Intl.ListFormat(main().dataset.language, { type: "conjunction" }).format(
    byName(ids, chain).map((id) => chain.byId.get(id).join.name),
  );

// All officers of the verified list but this one.
export const colleagues = (chain) =>
  byName([...chain.byId.keys()].filter((id) => id !== keys().id && isActive(chain, id) && isOfficer(chain, id)), chain);

// The officers who read a case, and the colleagues to whom it can be handed.
export function readersAround({ thread, seen }, chain) {
  const { readers } = baseGrant(thread, chain, seen).grant;
  const reading = readers.filter((id) => isActive(chain, id) && isOfficer(chain, id));
  const closed = [...reading, ...excludedOf(thread), ...barred(thread, chain)];
  return { reading, eligible: colleagues(chain).filter((id) => !closed.includes(id)) };
}

// What the next letter changes, { added, leaves }, or null where there is nothing to change.
function changeFor(opened, chain, { to, leaves }) {
  const { reading, eligible } = readersAround(opened, chain);
  const added = to.filter((id) => !reading.includes(id));
  const refused = added.filter((id) => !eligible.includes(id));
  if (refused.length) {
    const isExcluded = refused.every((id) => isActive(chain, id));
    throw new UserError(isExcluded ? "hand_excluded" : "hand_left", { names: names(refused, chain) });
  }
  if (leaves && !added.length && reading.every((id) => id === keys().id)) throw new UserError("hand_alone");
  return added.length || leaves ? { added, leaves } : null;
}

// Hands one case over: `wanted` is { to, leaves, text }, `given` the case as the page has it open, if it has.
// Returns the case with the letter { opened, chain }, or null where all this was so before.
export async function handOver(caseId, wanted, chain, given = null) {
  let opened = given;
  for (let attempt = 1; ; attempt += 1) {
    if (isStopped(caseId)) throw new UserError("stopped");
    opened ??= await openCase(caseId, chain, entryOf(caseId));
    const change = changeFor(opened, chain, wanted);
    if (!change) return null;
    try {
      return await sent(caseId, opened, chain, change, wanted.text);
    } catch (error) {
      if (!MENDED.includes(error.key) || attempt === ATTEMPTS) throw error;
    }
    chain = await refresh();
    opened = null;
  }
}

async function sent(caseId, opened, chain, change, text) {
  checkClock();
  const content = text || sentence(opened, chain, change);
  const written = await sealed(opened, chain, { kind: "hand", text: content, change }, await isInForce());
  await postLetter(caseId, written);
  return { opened: await extended(opened, chain, written, content), chain };
}

// What the asker reads where the officer writes nothing.
function sentence(opened, chain, { added, leaves }) {
  const { reading } = readersAround(opened, chain);
  const readers = added.length ? added : reading.filter((id) => id !== keys().id);
  return phrase(leaves ? "hand_text_leaves" : "hand_text", { names: names(readers, chain) });
}

// The notebook keeps what was seen of the case, or drops it where the officer has left it.
export function rememberHanded({ opened, chain }, leaves) {
  return leaves ? remember(null, [caseOf(opened.thread)]) : remember(remembered(opened, chain));
}
