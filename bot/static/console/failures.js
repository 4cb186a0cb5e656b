// Failed attempts on the officer's account since the last sign-in, as the server's ledger says: lines above the page until
// they are acknowledged on the device that was told, also if its tab was closed before, as the server tells them once.

import { $, phrase, readable, show } from "./page.js";

const MOST = 10; // the ledger keeps no more of one day (storage/confidential/ledger.py)

const place = (officer) => "integra:failures:" + officer;
let own = ""; // the officer who signed in here last
let days = {}; // by day, how many

export function noteFailures(officer, failures) {
  [own, days] = [officer, unread(officer)];
  for (const { day, count } of failures) days[day] = Math.min(MOST, (days[day] ?? 0) + count);
  if (failures.length) keep(JSON.stringify(days));
  renderFailures();
}

export function acknowledgeFailures() {
  days = {};
  keep(null);
  renderFailures();
}

export function renderFailures() {
  const items = Object.entries(days).map(([day, count]) => {
    const item = document.createElement("li");
    const key = count >= MOST ? "failures_many" : count === 1 ? "failures_one" : "failures_some";
    item.textContent = phrase(key, { day: readable(day), count });
    return item;
  });
  $("#failures-list").replaceChildren(...items);
  show($("#failures"), items.length > 0);
}

function unread(officer) {
  try {
    return JSON.parse(localStorage.getItem(place(officer))) ?? {};
  } catch {
    return officer === own ? days : {}; // no storage: this tab alone remembers
  }
}

function keep(text) {
  try {
    if (text) localStorage.setItem(place(own), text);
    else localStorage.removeItem(place(own));
  } catch {
    // no storage: this tab alone remembers
  }
}
