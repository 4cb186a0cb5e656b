// Sign-up: makes passphrase, keys and recovery code; the server receives public keys and wrapped private keys.

import { normalise } from "../sealing/sealing.js";
import * as sealing from "../sealing/sealing.js";
import { officerFingerprint } from "./keys.js";
import { $, busy, post, phrase, show, showMessage, UserError } from "./page.js";

const WORDS = 7;

let signup = null; // the invited officer and the secrets made so far; discarded with the page

export async function wire() {
  signup = null;
  const alert = $("#says");
  if (!sealing.supported()) return showMessage(alert, "insecure");
  const token = location.hash.slice(1);
  try {
    const { status, body } = await post("/console/signup/begin", { token });
    if (status !== 200) return showMessage(alert, "invite_refused");
    signup = { ...body, token };
  } catch (error) {
    return showMessage(alert, error.key ?? "failed");
  }
  $("#greeting").textContent = phrase("greeting", { name: signup.name, email: signup.email });
  show($("#first-about"), signup.is_first);
  showStep("welcome");
  const actions = { begin, written: askForTwoWords, back: () => showStep("words") };
  for (const [name, action] of Object.entries(actions)) $(`[data-action="${name}"]`).addEventListener("click", action);
  $("#check").addEventListener("submit", check);
  $("#finish").addEventListener("submit", finish);
}

function showStep(name) {
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === name);
  $(`[data-step="${name}"] h2`)?.focus();
}

async function begin() {
  const response = await fetch("/static/sealing/words.es.txt").catch(() => null);
  if (!response?.ok) return showMessage($("#says"), "offline");
  showMessage($("#says"));
  signup.words = sealing.drawWords(sealing.wordList(await response.text()), WORDS);
  $("#passphrase").replaceChildren(
    ...signup.words.map((word) => {
      const item = document.createElement("li");
      item.textContent = word;
      return item;
    }),
  );
  showStep("words");
}

// Asks for two words of the passphrase: one that was not written down would be lost with the tab.
function askForTwoWords() {
  const random = crypto.getRandomValues(new Uint8Array(2));
  const first = random[0] % WORDS;
  const second = (first + 1 + (random[1] % (WORDS - 1))) % WORDS;
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
    signup.posted = await makeKeys();
    offerDownload($("#download-code"), `Integra · ${signup.name} · ${signup.email}\n\n${signup.code}\n`, "text/plain");
    if (signup.is_first) offerDownload($("#download-file"), signup.file, "application/json");
    $("#recovery-who").textContent = `${signup.name} · ${signup.email}`;
    $("#recovery-code").textContent = signup.code;
    $("#kept-label").textContent = phrase(signup.is_first ? "kept_both" : "kept");
    show($("#first-file"), signup.is_first);
    showStep("recovery");
  });
}

function offerDownload(link, content, type) {
  link.href = URL.createObjectURL(new Blob([content], { type: type + ";charset=utf-8" }));
}

// Makes all keys and returns the sign-up request: its private keys are wrapped with the passphrase and with the code.
async function makeKeys() {
  const { id, token, words } = signup;
  const salt = sealing.newSalt();
  const { auth, wrappingKey } = await sealing.officerSecrets(words.join(" "), salt);
  const [reading, signing] = [await sealing.newReadingKey(), await sealing.newSigningKey()];
  const pair = { reading: reading.pkcs8, signing: signing.pkcs8 };
  signup.code = await sealing.newRecoveryCode();
  signup.fingerprint = await officerFingerprint({ reading: reading.publicKey, signing: signing.publicKey });
  const posted = {
    token,
    salt,
    auth,
    reading_key: reading.publicKey,
    signing_key: signing.publicKey,
    bundle: await sealing.wrapBundle(wrappingKey, id, pair),
    recovery_bundle: await sealing.wrapBundle(await sealing.recoverySecret(signup.code), id, pair),
  };
  return signup.is_first ? { ...posted, ...(await makeUnit(wrappingKey, reading.publicKey, signing.publicKey)) } : posted;
}

// For the very first officer: makes the unit's key, the recovery reader and the first list of readers.
async function makeUnit(wrappingKey, ownReading, ownSigning) {
  const { id, name } = signup;
  const [unit, recovery] = [await sealing.newSigningKey(), await sealing.newReadingKey()];
  const readers = [
    { id, name, role: "officer", reading: ownReading, signing: ownSigning },
    { id: "recovery", name: phrase("recovery_name"), role: "recovery", reading: recovery.publicKey, signing: "" },
  ];
  const body = sealing.keysBody({ serial: 1, day: signup.today, unit: unit.publicKey, readers });
  signup.file = await sealing.recoveryFile(signup.code, id, { reading: recovery.pkcs8, unit: unit.pkcs8 });
  signup.unit = await sealing.fingerprint(unit.publicKey);
  return {
    unit_bundle: await sealing.wrapUnit(wrappingKey, id, unit.pkcs8),
    keys: await sealing.signKeys(unit.privateKey, body),
  };
}

function finish(event) {
  event.preventDefault();
  busy(event.target, $("#finish-says"), async () => {
    const { status, body } = await post("/console/signup", signup.posted);
    if (status === 409) throw new UserError(body.error === "token" ? "invite_refused" : "keys_refused");
    if (status !== 201) throw new UserError("failed");
    history.replaceState(null, "", location.pathname + location.search);
    const { fingerprint, unit } = signup;
    signup = null;
    for (const secret of ["#passphrase", "#recovery-code"]) $(secret).replaceChildren();
    $("#own-fingerprint").textContent = fingerprint;
    for (const part of ["#unit-term", "#unit-value"]) show($(part), Boolean(unit));
    if (unit) $("#unit-fingerprint").textContent = unit;
    show($("#done-pending"), body.state === "pending");
    show($("#done-active"), body.state !== "pending");
    for (const link of ["#download-code", "#download-file"]) URL.revokeObjectURL($(link).href);
    showStep("done");
  });
}
