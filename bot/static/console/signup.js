// Sign-up: makes words, keys and recovery code; the server receives public keys and encrypted boxes.

import { boxKey, normalise, wrapOfficer } from "../sealing/boxes.js";
import { encode } from "../sealing/canonical.js";
import { Altered } from "../sealing/errors.js";
import { sealUnitKey } from "../sealing/keys.js";
import { parseList, pinOf, unitFingerprint, walkAll } from "../sealing/lists.js";
import { sealNotebook } from "../sealing/notebooks.js";
import { prove, spokenFingerprint } from "../sealing/readers.js";
import { newReadingPair, newSigningPair } from "../sealing/signatures.js";
import { drawWords, newId, newRecoveryCode, random, supported } from "../sealing/words.js";
import { codeSecrets } from "./credentials.js";
import { offerFactor } from "./factor.js";
import { $, busy, offerDownload, phrase, post, show, showMessage, UserError, verifying } from "./page.js";
import { checkFactor } from "./refusals.js";
import { checkClock, today } from "./trust.js";
import { adoptCommand, firstList, newRecovery, recoveryKey } from "./unit.js";
import { officerSecrets } from "./vault.js";

const WORDS = 7;

let signup = null; // the invited officer and the secrets made so far; discarded with the page

export async function wire() {
  signup = null;
  const alert = $("#says");
  if (!supported()) return showMessage(alert, "insecure");
  try {
    signup = await invited();
  } catch (error) {
    return showMessage(alert, error.key ?? "failed");
  }
  $("#greeting").textContent = phrase("greeting", { name: signup.name, email: signup.email });
  show($("#first-about"), signup.is_first);
  showStep("welcome");
  const actions = { begin, written: askForTwoWords, back: () => showStep("words") };
  for (const [name, action] of Object.entries(actions)) $(`[data-action="${name}"]`).addEventListener("click", action);
  $("#check").addEventListener("submit", check);
  $("#finish").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.target, $("#finish-says"), finish);
  });
}

// Who is invited, with the unit's lists verified by the pin of the link. The very first officer finds no lists, and
// has a link without a pin: a pin without lists means that they were taken away.
async function invited() {
  const [token, ...rest] = location.hash.slice(1).split("&");
  const pin = new URLSearchParams(rest.join("&")).get("u") ?? "";
  const { status, body } = await post("/console/signup/begin", { token });
  if (status !== 200 || (body.reads && !body.is_first && !pin)) throw new UserError("invite_refused");
  if (body.reads) checkClock(body.today);
  const newest = body.reads ? await verifying("altered_list", () => newestList(body, pin)) : null;
  return { ...body, token, newest };
}

async function newestList({ is_first: isFirst, lists }, pin) {
  if (isFirst) {
    if (pin || lists.length) throw new Altered("list.none");
    return null;
  }
  return (await walkAll(lists.map(parseList), pin)).newest;
}

function showStep(name) {
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === name);
  $(`[data-step="${name}"] h2`)?.focus();
}

function begin() {
  showMessage($("#says"));
  signup.words = drawWords(WORDS);
  $("#passphrase").replaceChildren(
    ...signup.words.map((word) => {
      const item = document.createElement("li");
      item.textContent = word;
      return item;
    }),
  );
  showStep("words");
}

// Asks for two of the words: one that was not written down would be lost with the tab.
function askForTwoWords() {
  const drawn = random(2);
  const first = drawn[0] % WORDS;
  const second = (first + 1 + (drawn[1] % (WORDS - 1))) % WORDS;
  signup.asked = [first, second].sort((a, b) => a - b);
  signup.asked.forEach((index, field) => {
    $(`#check-label-${field}`).textContent = phrase("word_number", { number: index + 1 });
    $(`#check-${field}`).value = "";
  });
  showMessage($("#check-says"));
  showStep("check");
  $("#check-0").focus();
}

function check(event) {
  event.preventDefault();
  busy(event.target, $("#check-says"), async () => {
    const isRight = signup.asked.every((index, field) => normalise($(`#check-${field}`).value) === normalise(signup.words[index]));
    if (!isRight) throw new UserError("words_differ");
    signup.posted ??= await account();
    if (signup.reads) offerCode();
    else await finish();
  });
}

// ---------------------------------------------------------------- keys

// What is posted. Who reads no queries has an account without keys.
async function account() {
  const { token, words, reads } = signup;
  const salt = newId();
  const { auth, wrap } = await officerSecrets(words.join(" "), salt);
  return reads ? { token, salt, auth, ...(await withOwnKeys(wrap)) } : { token, salt, auth };
}

async function withOwnKeys(wrap) {
  const { id, name, newest } = signup;
  const [reading, signing, unit] = [await newReadingPair(), await newSigningPair(), newest ? null : await newSigningPair()];
  const point = unit?.point ?? newest.unit;
  const join = { v: 2, unit: point, id, name, role: "officer", reading: reading.point, signing: signing.point };
  const joining = { join, proof: await prove(signing.privateKey, id, join) };
  const made = unit ? await makeUnit(unit, joining, reading.point) : { unit_key: null, list: null };
  const notebook = random(32);
  const officer = { v: 2, id, reading: reading.pkcs8, signing: signing.pkcs8, notebook: encode(notebook), unit: point };
  const list = await pinOf(made.list?.list ?? newest);
  signup.code = await newRecoveryCode();
  signup.fingerprint = await spokenFingerprint(join);
  return {
    joining,
    bundle: await wrapOfficer(wrap, officer, "words"),
    recovery_bundle: await wrapOfficer(await recoveryKey(signup.code), officer, "code"),
    code_auth: (await codeSecrets(signup.code)).auth,
    notebook: await sealNotebook(await boxKey(notebook), { v: 2, id, version: 1, unit: point, list, cases: [], passkeys: [] }),
    ...made,
  };
}

// For the very first officer: seals the unit's key to the own reading key, and signs the first list. In a trial a
// recovery reader whose keys nobody keeps stands in it.
async function makeUnit(unit, joining, reading) {
  const recovery = signup.is_trial ? [await newRecovery(unit.point, phrase("recovery_name"))] : [];
  signup.unit = { fingerprint: await unitFingerprint(unit.point), command: await adoptCommand(unit.point) };
  return {
    unit_key: await sealUnitKey(unit, signup.id, reading),
    list: await firstList(unit, [joining, ...recovery], today()),
  };
}

// ---------------------------------------------------------------- the code and the end

function offerCode() {
  const { name, email, code } = signup;
  const who = `${name} · ${email}`;
  $("#recovery-who").textContent = who;
  $("#recovery-code").textContent = code;
  offerDownload($("#download-code"), `Integra · ${$("#code-title").textContent}\n${who}\n\n${code}\n`);
  showStep("recovery");
}

// Before anything is stored the second factor is made; a trial does without.
async function finish() {
  if (signup.offer) offerFactor(signup.offer, send);
  else await send();
}

async function send(enrolment) {
  const { status, body } = await post("/console/signup", { ...signup.posted, enrolment });
  checkFactor(body);
  if (status === 409) throw new UserError(body.error === "token" ? "invite_refused" : "keys_refused");
  if (status !== 201) throw new UserError("failed");
  history.replaceState(null, "", location.pathname + location.search);
  const { fingerprint, unit, is_trial: isTrial } = signup;
  signup = null;
  for (const secret of ["#passphrase", "#recovery-code"]) $(secret).replaceChildren();
  URL.revokeObjectURL($("#download-code").href);
  show($("#done-own"), Boolean(fingerprint));
  $("#own-fingerprint").textContent = fingerprint ?? "";
  show($("#done-unit"), Boolean(unit));
  show($("#done-steps"), !isTrial);
  $("#unit-fingerprint").textContent = unit?.fingerprint ?? "";
  $("#adopt-command").textContent = unit?.command ?? "";
  show($("#done-pending"), body.state === "pending");
  show($("#done-active"), body.state !== "pending");
  showStep("done");
}
