// What the server shows less of, or otherwise, than this officer has seen: by folio, above the page, until acknowledged.
// Findings stay in memory until the tab is locked: nothing is sent in their cases.

import { sha256, utf8 } from "../sealing/canonical.js";
import { hex } from "../sealing/encoding.js";
import { $, phrase, show } from "./page.js";

const found = new Map(); // by case and lane: { case, lane, what }; the case is "" for the unit's lists
let isAcknowledged = true;

export async function folio(caseId) {
  const digits = hex(await sha256(utf8(caseId))).slice(0, 8).toUpperCase();
  return digits.slice(0, 4) + "-" + digits.slice(4);
}

export async function note(findings) {
  for (const finding of findings) {
    const place = finding.case + " " + finding.lane;
    if (found.get(place)?.what === finding.what) continue;
    found.set(place, finding);
    isAcknowledged = false;
  }
  await showFindings();
}

// Whether nothing may be sent in this case.
export const isStopped = (caseId) => [...found.values()].some((finding) => ["", caseId].includes(finding.case));

// A thread that holds what was remembered, or names it as lost, explains what the server's summary left out; so does a
// letter since which the officer no longer reads the case.
export function explain(caseId) {
  for (const [place, finding] of found) if (finding.case === caseId && finding.what !== "fork") found.delete(place);
}

export async function showFindings() {
  const isShown = !isAcknowledged && found.size > 0;
  show($("#page"), !isShown);
  $("#findings-list").replaceChildren(...(await Promise.all([...found.values()].map(line))));
  show($("#findings"), isShown);
  if (isShown) $("#findings-title").focus();
}

async function line({ case: caseId, what }) {
  const item = document.createElement("li");
  item.textContent = caseId ? phrase("finding_" + what, { folio: await folio(caseId) }) : phrase("finding_lists");
  return item;
}

export async function acknowledge() {
  isAcknowledged = true;
  await showFindings();
  $("#page h1")?.focus();
}

document.addEventListener("console:locked", () => {
  found.clear();
  isAcknowledged = true;
  showFindings();
});
