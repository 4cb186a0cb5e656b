// The page on which the holder of the unit's key makes another one, and then sees what the server is waiting for.

import { sealUnitKey } from "../sealing/keys.js";
import { checkNext, parseList, unitFingerprint } from "../sealing/lists.js";
import { newSigningPair } from "../sealing/signatures.js";
import { $, busy, main, post, readable, show, showVerified, UserError, verifying, whileHere } from "./page.js";
import { withKeys } from "./signin.js";
import { checkClock, refresh, today } from "./trust.js";
import { nextUnitList, succeedCommand } from "./unit.js";
import { holdUnitKey, keys } from "./vault.js";

export function wire() {
  $("#succeed").addEventListener("submit", succeed);
  withKeys(showState);
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page !== "succession") return;
  show($("#verified"), false);
  withKeys(showState);
});

const showState = () =>
  showVerified(async () => {
    const chain = await refresh();
    const next = await verifying("altered_list", () => nextOf(chain));
    await showWaiting(next);
    $("#unit-fingerprint").textContent = await unitFingerprint(chain.newest.unit);
    const isHolder = keys().unitKey?.point === chain.newest.unit;
    show($("#not-holder"), !next && !isHolder);
    show($("#make"), !next && isHolder);
  });

// The first list of the key that follows, which the server does not believe yet; null where there is none.
async function nextOf(chain) {
  let longer = chain;
  for (const signed of JSON.parse(main().dataset.next).map(parseList)) {
    if (signed.list.serial > chain.serial) longer = await checkNext(longer, signed);
  }
  return longer === chain ? null : longer.newest;
}

async function showWaiting(next) {
  show($("#waits"), Boolean(next));
  if (!next) return;
  $("#next-day").textContent = readable(next.day);
  $("#next-fingerprint").textContent = await unitFingerprint(next.unit);
  $("#succeed-command").textContent = await succeedCommand(next.unit);
}

function succeed(event) {
  event.preventDefault();
  busy(event.target, $("#make-says"), async () => {
    await whileHere(makeNext);
    $("#again").click();
  });
}

async function makeNext() {
  const chain = await refresh();
  checkClock();
  const { id, reading, unitKey } = keys();
  if (unitKey?.point !== chain.newest.unit) throw new UserError("keys_meanwhile");
  const next = await newSigningPair();
  const signed = await verifying("altered_list", () => nextUnitList(unitKey, next, chain, today()));
  const sealed = await sealUnitKey(next, id, reading.point);
  const { status } = await post("/console/succession", { ...signed, unit_key: sealed });
  if (status !== 201) throw new UserError(status === 409 ? "keys_meanwhile" : "failed");
  await holdUnitKey(sealed, next.point);
}
