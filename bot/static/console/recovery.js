// The custodians' page: two or three type their codes here; they rehearse, or use the keys that their codes open.
// Nobody is signed in. Codes and opened keys stay in this tab's memory, until it is closed.

import {
  checkKept, custodianKey, openCustody, signRehearsal, signUse, unwrapCustodian,
} from "../sealing/custody.js";
import { encode, sha256 } from "../sealing/canonical.js";
import { Altered } from "../sealing/errors.js";
import { sealUnitKey } from "../sealing/keys.js";
import { parseList, walkAll } from "../sealing/lists.js";
import { codeSecret, random, supported } from "../sealing/words.js";
import { activeOfficers, missingPairs, pairNames, standingOf } from "./backup.js";
import { $, busy, filled, get, laterBy, phrase, post, readable, show, showMessage, UserError, verifying } from "./page.js";
import { handOverAll } from "./recovered.js";
import { checkClock, today } from "./trust.js";

const LEAST = 2; // custodians who open the keys together

let shown = null; // { chain, custody, missing, boxes: Map(id -> box) } as verified
let present = new Map(); // the pairs of the custodians whose codes were typed, by id
let use = null; // what this tab has stored: { purpose, authority: { use, secret } }

export async function wire() {
  [shown, present, use] = [null, new Map(), null];
  if (!supported()) return showMessage($("#says"), "insecure");
  try {
    shown = await fetched();
  } catch (error) {
    return showMessage($("#says"), error.key ?? "failed", error.values);
  }
  $("#codes").replaceChildren(...shown.custody.custodians.map(codeForm));
  $("#to").append(...activeOfficers(shown.chain).map(officerOption));
  showRehearsed();
  showPresent();
  $("#rehearse").addEventListener("submit", (event) => act(event, $("#rehearse-says"), rehearse));
  $("#use").addEventListener("submit", (event) => act(event, $("#use-says"), useKeys));
  show($("#sitting"), true);
}

async function fetched() {
  const pin = new URLSearchParams(location.hash.slice(1)).get("u") ?? "";
  if (!pin) throw new UserError("recovery_address");
  const { status, body } = await get("/console/recovery/boxes").catch(laterBy("recovery_later"));
  if (status !== 200) throw new UserError(status === 404 ? "recovery_none" : "failed");
  checkClock(body.today);
  return verifying("altered_backup", async () => {
    const chain = await walkAll(body.lists.map(parseList), pin);
    const standing = await standingOf(body, chain);
    if (!standing.custody) throw new Altered("custody.none");
    return { ...standing, chain, boxes: new Map(body.boxes.map(({ id, box }) => [id, box])) };
  });
}

function act(event, alert, work) {
  event.preventDefault();
  busy(event.target, alert, work);
}

const namesWith = (ids) =>
  shown.custody.custodians.filter(({ id }) => ids.includes(id)).map(({ name }) => name).join(", ");

function officerOption(id) {
  const option = document.createElement("option");
  option.value = id;
  option.textContent = shown.chain.byId.get(id).join.name;
  return option;
}

// ---------------------------------------------------------------- codes

function codeForm(custodian) {
  const form = filled("#code", {});
  const [label, input, says] = [$("label", form), $("input", form), $(".says", form)];
  label.textContent = phrase("code_of", { name: custodian.name });
  label.htmlFor = input.id = "code-" + custodian.id;
  form.addEventListener("submit", (event) =>
    act(event, says, async () => {
      present.set(custodian.id, await pairOf(input.value, custodian));
      input.value = "";
      show($("[data-typing]", form), false);
      $('[data-part="present"]', form).textContent = phrase("code_right", { name: custodian.name });
      showPresent();
    }),
  );
  return form;
}

// The custodian's pair, by the typed code; a code that is wrong is explained by what is wrong with it.
async function pairOf(typed, custodian) {
  const { name } = custodian;
  const secret = await codeSecret(typed).catch(() => {
    throw new UserError("code_typo", { name });
  });
  const key = await custodianKey(secret);
  if (!shown.boxes.has(custodian.id)) throw new UserError("code_no_box", { name });
  const pair = await opens(key, custodian);
  if (pair) return pair;
  for (const other of shown.custody.custodians) {
    if (!(await opens(key, other))) continue;
    throw new UserError(present.has(other.id) ? "code_twice" : "code_of_other", { name, other: other.name });
  }
  throw new UserError("code_other", { name });
}

const opens = (key, custodian) => unwrapCustodian(key, shown.boxes.get(custodian.id), custodian).catch(() => null);

function showPresent() {
  const ids = [...present.keys()];
  const key = ids.length >= LEAST ? "present" : ids.length ? "present_few" : "present_none";
  $("#present").textContent = phrase(key, { names: namesWith(ids) });
  show($("#actions"), ids.length >= LEAST);
}

// Every pair of those present opens the keys, and they are the ones in the list; the first pair's are returned.
async function openedKeys() {
  const entries = [...present.entries()].sort(([left], [right]) => (left < right ? -1 : 1));
  const pairs = entries.flatMap((one, at) => entries.slice(at + 1).map((other) => [one, other]));
  return verifying("altered_custody_keys", async () => {
    const opened = [];
    for (const pair of pairs) {
      const kept = await openCustody(shown.custody, new Map(pair));
      opened.push({ kept, keys: await checkKept(kept, shown.chain) });
    }
    return opened[0];
  });
}

const statement = () => ({
  v: 2,
  unit: shown.custody.unit,
  recovery: shown.custody.recovery,
  custodians: [...present.keys()].sort(),
  day: today(),
});

// ---------------------------------------------------------------- rehearsing

function showRehearsed() {
  const key = shown.missing.length ? "recovery_unrehearsed" : "recovery_rehearsed";
  $("#rehearsed").textContent = phrase(key, { names: pairNames(shown.missing) });
  $("#used").textContent = shown.uses.map(usedLine).join(" ");
  show($("#used"), shown.uses.length > 0);
}

const usedLine = ({ day, custodians }) => phrase("recovery_used", { day: readable(day), names: namesWith(custodians) });

async function rehearse() {
  const { keys } = await openedKeys();
  const signed = await signRehearsal(keys.signing.privateKey, statement());
  const { status, body } = await post("/console/recovery/rehearsals", signed);
  if (status !== 201) throw new UserError(status === 409 ? "recovery_meanwhile" : "failed");
  const now = missingPairs(shown.custody, [signed.rehearsal.custodians]);
  shown.missing = shown.missing.filter((pair) => now.some((one) => one.every(({ id }, at) => id === pair[at].id)));
  showRehearsed();
  $("#rehearse-done").textContent = phrase(body.rehearsed ? "rehearsal_whole" : "rehearsal_part");
  show($("#rehearse-done"), true);
}

// ---------------------------------------------------------------- using

// A use is stored before anything is done with it; what fails after that goes on with the same one.
async function useKeys() {
  const to = shown.chain.byId.get($("#to").value);
  const purpose = $("#use input[name=purpose]:checked")?.value;
  if (!to) throw new UserError("choose_officer");
  if (!purpose) throw new UserError("choose_purpose");
  if (!$("#understood").checked) throw new UserError("confirm_use");
  const { kept, keys } = await openedKeys();
  if (use?.purpose !== purpose) use = { purpose, authority: await storedUse(purpose, keys) };
  if (purpose === "unit") await giveUnitKey(kept, to);
  else await giveCases(keys, to);
}

// What authorises the rest, in this tab only: everybody may see the stored use, but not the secret whose hash it names.
async function storedUse(purpose, keys) {
  const secret = random(32);
  const nonce = encode((await sha256(secret)).slice(0, 16));
  const signed = await signUse(keys.signing.privateKey, { ...statement(), purpose, nonce });
  const { status } = await post("/console/recovery/use", signed);
  if (status !== 201) throw new UserError(status === 409 ? "recovery_meanwhile" : "failed");
  return { use: signed, secret: encode(secret) };
}

async function giveUnitKey(kept, { join }) {
  const unitKey = await sealUnitKey({ point: kept.unit, pkcs8: kept.unit_key }, join.id, join.reading);
  const { status } = await post("/console/recovery/unit-key", { ...use.authority, id: join.id, unit_key: unitKey });
  if (status !== 201) throw new UserError(status === 409 ? "use_refused" : "failed");
  showDone(phrase("unit_given", { name: join.name }), []);
}

async function giveCases(keys, to) {
  const hand = { authority: use.authority, recovery: shown.custody.recovery, keys, to, chain: shown.chain };
  const told = ({ handed, already }) => phrase("cases_handed", { name: to.join.name, handed, already });
  const done = await handOverAll(hand, (progress) => ($("#progress").textContent = told(progress)));
  showDone(told(done), done.failed);
}

function showDone(summary, failed) {
  $("#progress").textContent = summary;
  $("#failed").replaceChildren(
    ...failed.map(({ folio, key }) => {
      const item = document.createElement("li");
      item.textContent = `${folio}: ${phrase(key)}`;
      return item;
    }),
  );
  show($("#failed-about"), failed.length > 0);
  show($("#after"), true);
}
