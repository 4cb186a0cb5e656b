// The card on which an officer confirms another key of the unit: nothing is opened, written or remembered before.

import { successionsSince, unitFingerprint, unitPin } from "../sealing/lists.js";
import { isByUnit } from "../sealing/successions.js";
import { $, main, phrase, readable, show, UserError } from "./page.js";

let asked = null; // the key that waits for a yes: { unit, promise, resolve, reject }

// Resolves once the officer has confirmed the key that leads the chain now; rejects when the tab is locked before. Work of
// a page that was left meanwhile ends here.
export async function askToConfirm(chain, former) {
  const [page, { unit }] = [main(), chain.newest];
  if (asked?.unit !== unit) {
    settle("reject", new UserError("next_unit"));
    asked = question(unit);
  }
  const { promise } = asked;
  await fill(chain, former);
  showCard(asked?.promise === promise);
  try {
    await promise;
  } finally {
    if (main() !== page) await new Promise(() => {});
  }
}

function question(unit) {
  const made = { unit };
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {}); // those who wait for it each catch it
  return made;
}

async function fill(chain, former) {
  const since = await successionsSince(chain, await unitPin(former));
  $("#next-unit-steps").replaceChildren(...since.map((signed) => step(signed, chain)));
  $("#next-unit-former").textContent = await unitFingerprint(former);
  $("#next-unit-key").textContent = await unitFingerprint(chain.newest.unit);
}

function step(signed, { byId }) {
  const item = document.createElement("li");
  const format = new Intl.ListFormat(main().dataset.language, { type: "conjunction" });
  const names = () => format.format(signed.signatures.map(({ by }) => byId.get(by).join.name));
  const day = readable(signed.succ.day);
  item.textContent = isByUnit(signed) ? phrase("next_by_unit", { day }) : phrase("next_by_officers", { day, names: names() });
  return item;
}

function showCard(isShown) {
  show($("#next-unit"), isShown);
  show($("#page"), !isShown);
  if (isShown) $("#next-unit-title").focus();
}

function settle(how, value) {
  const settled = asked;
  asked = null;
  settled?.[how](value);
}

export function confirm() {
  showCard(false);
  settle("resolve");
}

document.addEventListener("console:locked", () => {
  if (!asked) return;
  showCard(false);
  settle("reject", new UserError("locked"));
});
