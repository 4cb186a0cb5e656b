// The page of the backup: three custodians are invited and compared, the recovery key is made for them and signed into
// the list; who has rehearsed, who used it; and who holds the unit's key.

import { canonical } from "../sealing/canonical.js";
import { CUSTODIAN, custodianFingerprint } from "../sealing/custody.js";
import { Altered } from "../sealing/errors.js";
import { sealUnitKey } from "../sealing/keys.js";
import { unitPin } from "../sealing/lists.js";
import { prove, spokenFingerprint } from "../sealing/readers.js";
import {
  activeOfficers, changesOf, checkProposal, isReady, namesOf, neededProofs, newBackup, pairNames, standingOf,
} from "./backup.js";
import { signsNext } from "./keys.js";
import {
  $, busy, filled, main, phrase, post, readable, show, showMessage, showVerified, UserError, verifying,
  whileHere,
} from "./page.js";
import { withKeys } from "./signin.js";
import { checkClock, refresh, today } from "./trust.js";
import { nextList } from "./unit.js";
import { keys } from "./vault.js";

const CUSTODIANS = 3; // keep one recovery key
const USES = { cases: "use_cases", unit: "use_unit" }; // by purpose
const MOST = 20; // rows that the server keeps

let shown = null; // what the server keeps, as the page brought it
const links = new Map(); // of the invitations made in this tab, by id: the server keeps no link

export function wire() {
  shown = JSON.parse(main().dataset.custody);
  $("#invite").addEventListener("submit", (event) => act(event, $("#invite-says"), invite));
  $("#create").addEventListener("submit", (event) => act(event, $("#create-says"), create));
  withKeys(showState);
}

document.addEventListener("console:locked", () => {
  links.clear();
  if (main().dataset.page !== "custody") return;
  show($("#verified"), false);
  withKeys(showState);
});

const showState = () =>
  showVerified(async () => {
    const chain = await refresh();
    const standing = await showStanding(chain);
    await showCustodians(chain, standing?.custody);
    await showProposal(chain);
    showHolders(chain);
  });

function act(event, alert, work) {
  event.preventDefault();
  busy(event.target, alert, async () => {
    await whileHere(() => work(event.target));
    $("#again").click();
  });
}

async function send(path, body) {
  const { status, body: answer } = await post(path, body);
  if (status !== 201) throw new UserError(status === 409 ? "custody_meanwhile" : "failed");
  return answer;
}

// ---------------------------------------------------------------- how it stands

async function showStanding(chain) {
  $("#address").textContent = `${location.origin}/console/recovery#u=${await unitPin(chain.newest.unit)}`;
  let standing = null;
  try {
    standing = await verifying("altered_custody", () => standingOf(shown, chain));
  } catch (error) {
    showMessage($("#standing-says"), error.key ?? "failed");
  }
  show($("#kept"), Boolean(standing?.custody));
  if (!standing) return null;
  const { custody, rehearsed, missing, uses } = standing;
  if (custody) $("#kept-by").replaceChildren(...(await Promise.all(custody.custodians.map((one) => keptRow(one, rehearsed)))));
  $("#uses").replaceChildren(...uses.map((use) => useLine(use, custody)));
  const key = uses.length ? "backup_used" : isReady(standing) ? "backup_ready" : custody ? "backup_unrehearsed" : "backup_none";
  $("#standing").textContent = phrase(key, { names: pairNames(missing) });
  $("#standing").classList.toggle("warning", !isReady(standing));
  $("#next").open = custody === null || uses.length > 0;
  return standing;
}

const keptRow = async (custodian, rehearsed) =>
  filled("#kept-row", {
    name: custodian.name,
    fingerprint: await custodianFingerprint(custodian),
    rehearsal: phrase(rehearsed.has(custodian.id) ? "rehearsed" : "not_rehearsed"),
  });

function useLine({ day, custodians, purpose }, custody) {
  const item = document.createElement("li");
  const names = custody.custodians.filter(({ id }) => custodians.includes(id)).map(({ name }) => name);
  item.textContent = phrase(USES[purpose], { day: readable(day), names: names.join(", ") });
  return item;
}

// ---------------------------------------------------------------- custodians

// `custody`: the one in force, whose custodians have been compared before.
async function showCustodians(chain, custody) {
  const signs = signsNext(chain);
  const cards = await Promise.all(shown.custodians.map((one) => custodianCard(one, chain, custody)));
  $("#custodians").replaceChildren(...cards);
  const ready = shown.custodians.filter(({ custodian }) => custodian?.unit === chain.newest.unit);
  show($("#none-invited"), !cards.length);
  show($("#invite"), signs && shown.custodians.length < MOST);
  show($("#create"), signs && ready.length >= CUSTODIANS);
}

async function custodianCard({ id, name, custodian }, chain, custody) {
  const signs = signsNext(chain);
  const card = filled("#custodian", { name });
  const tick = $("label.inline", card);
  show(tick, false);
  const kept = custody?.custodians.find((one) => one.id === id);
  show($("details", card), signs && !kept);
  $("button", card).textContent = phrase("remove_custodian", { name });
  $("form", card).addEventListener("submit", (event) =>
    act(event, $(".says", card), () => send("/console/custodians/remove", { id })),
  );
  if (!custodian) {
    $('[data-part="standing"]', card).textContent = phrase(links.has(id) ? "custodian_link" : "custodian_invited", { name });
    $('[data-part="link"]', card).textContent = links.get(id) ?? "";
    return card;
  }
  try {
    await verifying("altered_custodian", () => checkCustodian(custodian, id, name));
    if (custodian.unit !== chain.newest.unit) throw new UserError("custodian_former");
    $('[data-part="fingerprint"]', card).textContent = await custodianFingerprint(custodian);
    const isKnown = kept !== undefined && canonical(kept) === canonical(custodian);
    $('[data-part="standing"]', card).textContent = phrase(isKnown ? "custodian_kept" : "custodian_fingerprint", { name });
    $("span", tick).textContent = phrase(isKnown ? "compared_before" : "compared", { name });
    $("input", tick).value = id;
    show(tick, signs);
  } catch (error) {
    showMessage($(".says", card), error.key ?? "failed");
  }
  return card;
}

function checkCustodian(custodian, id, name) {
  CUSTODIAN(custodian, "custodian");
  if (custodian.id !== id || custodian.name !== name) throw new Altered("custodian");
}

async function invite(form) {
  const name = $("#custodian-name").value.trim();
  if (!name) throw new UserError("name_missing");
  if (shown.custodians.some((one) => one.name === name)) throw new UserError("name_twice");
  const { id, link } = await send("/console/custodians", { name });
  links.set(id, link);
  form.reset();
}

// Makes the recovery key for the three whose fingerprints were compared; it is proposed, and with enough proofs signed.
async function create() {
  const chosen = [...document.querySelectorAll("#custodians label.inline input:checked")].map(({ value }) => value);
  if (chosen.length !== CUSTODIANS) throw new UserError("compare_three");
  const chain = await refresh();
  checkClock();
  const custodians = shown.custodians.filter(({ id }) => chosen.includes(id)).map(({ custodian }) => custodian);
  const { join, proof, custody } = await verifying("altered_custodian", async () =>
    newBackup(await keys().extractable(), custodians, phrase("recovery_name")),
  );
  await send("/console/recovery-proposal", { join, proof, custody });
  const vouch = await prove(keys().signing.privateKey, keys().id, join);
  await vouchOrSign({ join, own: proof, vouched: [], custody: custody.custody }, vouch, chain);
}

// ---------------------------------------------------------------- the proposed key

async function showProposal(chain) {
  show($("#proposal"), Boolean(shown.proposal));
  if (!shown.proposal) return;
  const form = $("#confirm");
  show(form, false);
  try {
    const proposal = await verifying("altered_proposal", () => checkProposal(shown.proposal, chain));
    await offer(form, proposal, chain);
  } catch (error) {
    showMessage($("#proposal-says"), error.key ?? "failed");
  }
}

// Who has vouched, and the one button that is next: to vouch, or to sign the list once enough have.
async function offer(form, proposal, chain) {
  const { join, vouched, custody } = proposal;
  const needed = neededProofs(chain);
  const names = vouched.map(({ id }) => chain.byId.get(id).join.name).join(", ");
  const hasVouched = vouched.some(({ id }) => id === keys().id);
  const signs = signsNext(chain) && vouched.length >= needed;
  $("#proposal-fingerprint").textContent = await spokenFingerprint(join);
  $("#proposal-names").textContent = namesOf(custody).join(", ");
  $("#proposal-vouchers").textContent = phrase(names ? "vouchers" : "vouchers_none", { count: vouched.length, needed, names });
  $("button", form).textContent = phrase(signs ? "sign_backup" : "vouch_backup");
  show(form, signs || (!hasVouched && vouched.length < needed));
  form.addEventListener("submit", (event) =>
    act(event, $("#proposal-says"), async () => {
      const { id, signing } = keys();
      await vouchOrSign(proposal, signs ? null : await prove(signing.privateKey, id, join), await refresh());
    }),
  );
}

// The press of who holds the unit's key counts as one proof: with it the list is signed at once, if no other is missing.
async function vouchOrSign(proposal, proof, chain) {
  const vouched = proof ? [...proposal.vouched, proof] : proposal.vouched;
  if (proof) await send("/console/recovery-proofs", { id: proposal.join.id, proof });
  if (!signsNext(chain) || vouched.length < neededProofs(chain)) return;
  checkClock();
  const changes = changesOf({ ...proposal, vouched }, chain);
  const list = await verifying("altered_proposal", () => nextList(keys().unitKey, chain, today(), changes));
  await send("/console/keys", list);
}

// ---------------------------------------------------------------- the unit's key

function showHolders(chain) {
  const holders = activeOfficers(chain).filter((id) => shown.holders.includes(id));
  $("#holders").textContent = holders.map((id) => chain.byId.get(id).join.name).join(", ") || phrase("no_holder");
  show($("#one-holder"), holders.length === 1);
  const others = signsNext(chain) ? activeOfficers(chain).filter((id) => !holders.includes(id)) : [];
  $("#share").replaceChildren(...others.map((id) => shareRow(id, chain)));
}

function shareRow(id, chain) {
  const { name, reading } = chain.byId.get(id).join;
  const row = filled("#share-row", {});
  $("summary", row).textContent = $("button", row).textContent = phrase("share", { name });
  $("p", row).textContent = phrase("share_about", { name });
  $("form", row).addEventListener("submit", (event) =>
    act(event, $(".says", row), async () =>
      send("/console/unit-key", { id, unit_key: await sealUnitKey(await keys().extractable(), id, reading) }),
    ),
  );
  return row;
}
