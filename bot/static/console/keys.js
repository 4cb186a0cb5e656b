// The page of readers: the verified list; officers vouch for who joins, and the holder of the unit's key signs the next.

import { Altered } from "../sealing/errors.js";
import { isActive, isOfficer, unitFingerprint } from "../sealing/lists.js";
import { JOIN, prove, spokenFingerprint } from "../sealing/readers.js";
import { verify } from "../sealing/signatures.js";
import { noteOwnList } from "./changes.js";
import {
  $, busy, filled, main, phrase, post, readable, show, showMessage, showVerified, UserError, verifying, whileHere,
} from "./page.js";
import { withKeys } from "./signin.js";
import { checkClock, isInForce, refresh, today } from "./trust.js";
import { adoptCommand, nextList } from "./unit.js";
import { keys } from "./vault.js";

const PROOFS = 2; // officers who vouch for a reader, where there are as many

// ---------------------------------------------------------------- who waits

// The fingerprint of the own keys, never of what the server says that they are.
export function wireWaiting() {
  withKeys(async () => {
    try {
      $("#own-fingerprint").textContent = await verifying("altered_own", ownFingerprint);
      show($("#waiting"), true);
    } catch (error) {
      showMessage($("#says"), error.key ?? "failed");
    }
  });
}

async function ownFingerprint() {
  const { id, unit, reading, signing } = keys();
  const join = JSON.parse(main().dataset.join);
  const isOwn = join?.id === id && join.unit === unit && join.reading === reading.point && join.signing === signing.point;
  if (!isOwn) throw new Altered("own");
  return spokenFingerprint(join);
}

// ---------------------------------------------------------------- the page

export function wire() {
  $("#renew").addEventListener("submit", (event) => act(event, () => signNext({})));
  withKeys(showState);
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page !== "keys") return;
  show($("#verified"), false);
  withKeys(showState);
});

const showState = () =>
  showVerified(async () => {
    const chain = await refresh();
    await showList(chain);
    showReaders(chain);
    await showWaiting(chain);
  });

// The holder's key may be that of another unit: of the former one, or of one that is not believed yet.
export const signsNext = ({ newest }) => keys().unitKey?.point === newest.unit;

async function showList(chain) {
  const { newest, serial } = chain;
  const { unit } = newest;
  $("#unit-fingerprint").textContent = await unitFingerprint(unit);
  $("#serial").textContent = serial;
  $("#until").textContent = readable(newest.until);
  show($("#expired"), !(await isInForce()));
  show($("#renew"), signsNext(chain));
  const adoption = $("#adoption");
  if (adoption) $("#adopt-command").textContent = await adoptCommand(unit);
}

function showReaders(chain) {
  $("#readers").replaceChildren(...chain.newest.readers.map((reader) => readerRow(reader, chain)));
}

// The holder of the unit's key can sign that another officer has left or is suspended: to the list both are the same.
function readerRow({ join: { name, role, id }, ended }, chain) {
  const standing = isActive(chain, id) ? phrase("is_active") : phrase("is_ended", { serial: ended });
  const row = filled("#reader", { name, kind: phrase("is_" + role), standing });
  const isEndable = signsNext(chain) && role === "officer" && id !== keys().id && isActive(chain, id);
  for (const [part, suspended] of [["end", []], ["suspend", [id]]]) {
    const details = $(`[data-part="${part}"]`, row);
    show(details, isEndable);
    $("button", details).textContent = phrase(part, { name });
    $("form", details).addEventListener("submit", (event) => act(event, () => signNext({ ended: [id] }, suspended)));
  }
  return row;
}

// ---------------------------------------------------------------- vouching

const activeOfficers = (chain) => [...chain.byId.keys()].filter((id) => isActive(chain, id) && isOfficer(chain, id));
const byId = (left, right) => (left.id < right.id ? -1 : 1);

async function showWaiting(chain) {
  const waiting = JSON.parse(main().dataset.waiting);
  const cards = await Promise.all(waiting.map((candidate) => cardOf(candidate, chain)));
  $("#waiting-list").replaceChildren(...cards);
  show($("#none-waiting"), !cards.length);
}

async function cardOf({ join, proofs, email, role }, chain) {
  const card = filled("#candidate", { name: String(join?.name), account: `${email} · ${phrase("role_" + role)}` });
  try {
    const vouched = await verifying("altered_join", () => vouchedFor(join, proofs, chain));
    $('[data-part="fingerprint"]', card).textContent = await spokenFingerprint(join);
    offer(card, { join, own: proofs.find(({ id }) => id === join.id), vouched }, chain);
  } catch (error) {
    $(".says", card).textContent = phrase(error.key ?? "failed");
    show($("form", card), false);
  }
  return card;
}

// The proofs of active officers for a statement that is well-formed, for this unit, and signed with its own key.
async function vouchedFor(join, proofs, chain) {
  JOIN(join, "join");
  if (join.unit !== chain.newest.unit || join.role !== "officer" || chain.byId.has(join.id)) throw new Altered("join");
  await verify(join.signing, proofs.find(({ id }) => id === join.id)?.signature, "join", join, "join.proof");
  const others = proofs.filter(({ id }) => activeOfficers(chain).includes(id));
  for (const { id, signature } of others) await verify(chain.byId.get(id).join.signing, signature, "join", join, "join.proof");
  return others;
}

// Shows who has vouched, and the one button that is next: to vouch, or to sign the list once enough have.
function offer(card, candidate, chain) {
  const { join, vouched } = candidate;
  const needed = Math.min(PROOFS, activeOfficers(chain).length);
  const names = vouched.map(({ id }) => chain.byId.get(id).join.name).join(", ");
  const [form, button] = [$("form", card), $("button", card)];
  const hasVouched = vouched.some(({ id }) => id === keys().id);
  const signs = signsNext(chain) && vouched.length >= needed;
  const count = phrase(names ? "vouchers" : "vouchers_none", { count: vouched.length, needed, names });
  $('[data-part="vouchers"]', card).textContent = hasVouched && !signs ? `${count} ${phrase("vouched")}` : count;
  button.textContent = phrase(signs ? "sign" : "vouch", { name: join.name });
  show(form, signs || (!hasVouched && vouched.length < needed));
  form.addEventListener("submit", (event) => act(event, () => (signs ? signFor(candidate, needed) : vouch(candidate, needed, chain))));
}

// The holder's own press counts as one: with it the list is signed at once, if no other is missing.
async function vouch({ join, own, vouched }, needed, chain) {
  const { id, signing } = keys();
  const proof = await prove(signing.privateKey, id, join);
  if (signsNext(chain) && vouched.length + 1 >= needed) return signFor({ join, own, vouched: [...vouched, proof] }, needed);
  const { status } = await post("/console/proofs", { id: join.id, proof });
  if (status !== 201) throw new UserError(status === 409 ? "keys_meanwhile" : "failed");
}

const signFor = ({ join, own, vouched }, needed) =>
  signNext({ added: [{ join, proofs: [own, ...vouched.slice(0, needed)].sort(byId) }] });

async function signNext(changes, suspended = []) {
  const chain = await refresh();
  checkClock();
  const signed = await verifying("altered_join", () => nextList(keys().unitKey, chain, today(), changes));
  const { status } = await post("/console/keys", { ...signed, suspended });
  if (status !== 201) throw new UserError(status === 409 ? "keys_meanwhile" : "failed");
  noteOwnList(signed.list.serial);
}

function act(event, work) {
  event.preventDefault();
  busy(event.target, $("#says"), async () => {
    await whileHere(work);
    $("#again").click();
  });
}
