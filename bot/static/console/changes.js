// What changed among the readers since the officer last looked, told from verified lists only: quiet lines above the
// page, until they are acknowledged on the device that showed them, also if its tab was closed before.

import { $, phrase, show } from "./page.js";
import { keys } from "./vault.js";

const ORDER = ["changed_joined", "changed_ended", "changed_recovery", "changed_former"]; // within one list

const place = (id) => "integra:changes:" + id;
const remembered = new Map(); // the list from which on, by officer, for a page whose storage is closed
const ownLists = new Set(); // serials of lists that this tab has signed
let lines = [];

document.addEventListener("console:locked", () => {
  lines = [];
  renderChanges();
});

// A list keeps the entries of all earlier ones, so it tells by itself what has happened since a list of which only the
// serial and the custodians are known.
export function changesBetween(before, after) {
  const isLater = (serial) => serial > before.serial;
  const found = after.readers.flatMap(({ join: { id, name, role }, since, ended }) => [
    ...(isLater(since) ? [{ id, name, serial: since, what: role === "officer" ? "changed_joined" : "changed_recovery" }] : []),
    ...(isLater(ended) ? [{ id, name, serial: ended, what: role === "officer" ? "changed_ended" : "changed_former" }] : []),
  ]);
  found.sort((left, right) => left.serial - right.serial || ORDER.indexOf(left.what) - ORDER.indexOf(right.what));
  const names = after.custodians.join(", ");
  if (names !== before.custodians.join(", ")) {
    found.push({ names, serial: after.serial, what: names ? "changed_custodians" : "changed_none" });
  }
  return found;
}

// Both lists are verified: the one that the notebook remembered, and the newest, which it remembers by now.
export function showChanges(before, after) {
  const { id } = keys();
  const since = unread(id) ?? before;
  lines = changesBetween(since, after).filter((change) => change.id !== id && !ownLists.has(change.serial));
  if (lines.length) keepUnread(id, since);
  else forgetUnread(id);
  renderChanges();
}

// Who signs a list knows what is in it.
export const noteOwnList = (serial) => ownLists.add(serial);

export function acknowledgeChanges() {
  forgetUnread(keys().id);
  lines = [];
  renderChanges();
}

export function renderChanges() {
  const items = lines.map(({ what, ...values }) => {
    const item = document.createElement("li");
    item.textContent = phrase(what, values);
    return item;
  });
  $("#changes-list").replaceChildren(...items);
  show($("#changes"), items.length > 0);
}

// ---------------------------------------------------------------- until they are read

function unread(id) {
  try {
    return JSON.parse(localStorage.getItem(place(id))) ?? remembered.get(id);
  } catch {
    return remembered.get(id);
  }
}

function keepUnread(id, { serial, custodians }) {
  remembered.set(id, { serial, custodians });
  try {
    localStorage.setItem(place(id), JSON.stringify({ serial, custodians }));
  } catch {
    // no storage: this tab alone remembers
  }
}

function forgetUnread(id) {
  remembered.delete(id);
  try {
    localStorage.removeItem(place(id));
  } catch {
    // no storage: there is nothing to forget
  }
}
