// Cases that the server no longer shows, as a signed letter made this officer no reader any more: quiet lines above the
// page until acknowledged. Whatever no such letter explains stays a finding, an alarm.

import { baseGrant } from "../sealing/epochs.js";
import { ASKER } from "../sealing/fields.js";
import { readersOf } from "../sealing/threads.js";
import { explain, folio } from "./findings.js";
import { checkedThread, checkRemembered, entryOf } from "./notebook.js";
import { $, get, phrase, readable, show } from "./page.js";
import { keys } from "./vault.js";

const explained = new Map(); // by case: { author, name, day } of the letter since which it is so
const unknown = new Set(); // cases of which the server has no such letter

// The findings that no letter explains.
export async function unexplained(findings, chain) {
  const missing = new Set(findings.filter(({ what }) => what === "missing").map((finding) => finding.case));
  for (const caseId of explained.keys()) if (!missing.has(caseId)) explained.delete(caseId);
  for (const caseId of missing) {
    if (explained.has(caseId) || unknown.has(caseId)) continue;
    const departure = await departureOf(caseId, chain);
    if (!departure) continue;
    explained.set(caseId, departure);
    explain(caseId);
  }
  await showDepartures();
  return findings.filter(({ case: caseId, what }) => what !== "missing" || !explained.has(caseId));
}

// The letter that explains it, or null: by the asker or an officer who counts, after all that was seen of the case.
async function departureOf(caseId, chain) {
  const entry = entryOf(caseId);
  if (!entry) return null;
  const { status, body } = await get(`/console/cases/${caseId}/departure`);
  if (status === 404) unknown.add(caseId);
  if (status !== 200) return null;
  try {
    const thread = await checkedThread(caseId, body.letters, chain);
    const seen = checkRemembered(thread, chain, entry);
    const { seq, author, grant } = baseGrant(thread, chain, seen);
    if ([...grant.readers, ...readersOf(thread)].includes(keys().id)) return null;
    return { author, name: chain.byId.get(author)?.join.name, day: thread.letters[seq - 1].context.day };
  } catch (error) {
    if (error.kind) return null; // it does not verify
    throw error;
  }
}

export async function showDepartures() {
  $("#departures-list").replaceChildren(...(await Promise.all([...explained].map(line))));
  show($("#departures"), explained.size > 0);
}

async function line([caseId, { author, name, day }]) {
  const item = document.createElement("li");
  const key = { [ASKER]: "departed_asker", [keys()?.id]: "departed_self" }[author] ?? "departed_by";
  item.textContent = phrase(key, { folio: await folio(caseId), name, day: readable(day) });
  return item;
}

// The cases whose lines were read: the notebook drops them.
export const departed = () => [...explained.keys()];

export function forgetDepartures() {
  explained.clear();
  return showDepartures();
}

document.addEventListener("console:locked", () => {
  unknown.clear();
  forgetDepartures();
});
