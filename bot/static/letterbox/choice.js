// Who may read: a checkbox for each active reader, in a new letter and in an open case, and what each choice costs.

import { keepers } from "../sealing/epochs.js";
import { isOfficer } from "../sealing/lists.js";
import { $, element, phrase } from "./page.js";
import { activeReaders } from "./trust.js";

export const OPEN_CASE = "access-list"; // the place of the choice in an open case
const boxesOf = (place) => [...$(place).querySelectorAll("input")];
const isTicked = ({ checked }) => checked;
const isChanged = ({ checked, defaultChecked }) => checked !== defaultChecked;
const ids = (boxes) => boxes.map(({ value }) => value);

const rank = ({ role, name }) => role + name; // the backup last

// Fills the list `place`. What was changed there and not sent stays so, by name: also where a newer list has other ids.
export function offer(place, chain, reads = () => true) {
  const changes = boxesOf(place).filter((box) => !box.disabled && isChanged(box));
  const changed = new Map(changes.map(({ name, checked }) => [name, checked]));
  const joins = activeReaders(chain).sort((left, right) => rank(left).localeCompare(rank(right)));
  $(place).replaceChildren(...joins.map((join) => row(join, chain, reads(join.id))));
  for (const box of boxesOf(place)) box.checked = changed.get(box.name) ?? box.checked;
  $(place).onchange = () => weigh(place, chain);
  weigh(place, chain);
}

function row({ id, name, role }, { newest }, reads) {
  const box = Object.assign(element("input"), { type: "checkbox", value: id, name, defaultChecked: reads, checked: reads });
  const shown = role === "recovery" ? phrase("readers_backup", { names: newest.custodians.join(", ") || "–" }) : name;
  const label = element("label", box, element("span", shown));
  label.className = "choice";
  return element("li", label);
}

// Says what the choice costs. A backup that an excluded officer keeps would open to them with one more custodian: it is
// left out as well.
function weigh(place, chain) {
  const boxes = boxesOf(place);
  const officers = boxes.filter(({ value }) => isOfficer(chain, value));
  const kept = keepers(chain, ids(officers.filter((box) => !box.checked)));
  const backup = boxes.find((box) => !officers.includes(box));
  if (backup) {
    backup.checked = !kept.length && (backup.checked || (backup.disabled && backup.defaultChecked));
    backup.disabled = kept.length > 0;
  }
  const names = kept.map((id) => chain.byId.get(id).join.name);
  const notes = costs(officers, names, backup);
  if (place === OPEN_CASE && hasChanges()) notes.push(phrase("choice_unsent"));
  $(place + "-note").replaceChildren(...notes.map((note) => element("p", note)));
}

function costs(officers, names, backup) {
  const left = officers.filter(isTicked);
  return [
    ...(names.length ? [phrase("choice_custodian", { names: names.join(", ") })] : []),
    ...(backup && !backup.checked ? [phrase("choice_backup")] : []),
    ...(left.length ? [] : [phrase("choice_none")]),
    ...(left.length === 1 && officers.length > 1
      ? [phrase(backup?.checked ? "choice_one_backup" : "choice_one", { name: left[0].name })]
      : []),
  ];
}

// { readers, excluded }: ids, ascending; `before` are those who were excluded until now, in the list or not.
export function chosen(place, before = []) {
  const boxes = boxesOf(place);
  const readers = ids(boxes.filter(isTicked)).sort();
  const out = [...before, ...ids(boxes)].filter((id) => !readers.includes(id));
  return { readers, excluded: [...new Set(out)].sort() };
}

// Whether a choice in the open case was made and not sent.
export const hasChanges = () => boxesOf(OPEN_CASE).some(isChanged);
export const focusChoice = (place) => boxesOf(place)[0]?.focus();
