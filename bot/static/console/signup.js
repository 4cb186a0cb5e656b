// Joining: passphrase, keys and recovery code are made here; the server gets public keys and wrapped ones.

import { normalise } from "../sealing/sealing.js";
import * as sealing from "../sealing/sealing.js";
import { officerFingerprint } from "./keys.js";
import { $, busy, post, say, show, tell, Told } from "./page.js";

const WORDS = 7;

let self = null; // whom the invite is for, and what is being made; gone with the page

export async function wire() {
  self = null;
  const says = $("#says");
  if (!sealing.supported()) return tell(says, "insecure");
  const token = location.hash.slice(1);
  try {
    const { status, body } = await post("/console/signup/begin", { token });
    if (status !== 200) return tell(says, "invite_refused");
    self = { ...body, token };
  } catch (fault) {
    return tell(says, fault.key ?? "failed");
  }
  $("#greeting").textContent = say("greeting", { name: self.name, email: self.email });
  show($("#first-about"), self.is_first);
  step("welcome");
  const deeds = { begin, written: askBack, back: () => step("words") };
  for (const [deed, act] of Object.entries(deeds)) $(`[data-deed="${deed}"]`).addEventListener("click", act);
  $("#check").addEventListener("submit", check);
  $("#finish").addEventListener("submit", finish);
}

function step(name) {
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === name);
  $(`[data-step="${name}"] h2`)?.focus();
}

async function begin() {
  const answer = await fetch("/static/sealing/words.es.txt").catch(() => null);
  if (!answer?.ok) return tell($("#says"), "offline");
  tell($("#says"));
  self.words = sealing.drawWords(sealing.wordList(await answer.text()), WORDS);
  $("#passphrase").replaceChildren(
    ...self.words.map((word) => {
      const item = document.createElement("li");
      item.textContent = word;
      return item;
    }),
  );
  step("words");
}

// Two of the words, typed back: a passphrase that was not written down is lost with the tab.
function askBack() {
  const first = crypto.getRandomValues(new Uint8Array(2));
  const one = first[0] % WORDS;
  const other = (one + 1 + (first[1] % (WORDS - 1))) % WORDS;
  self.asked = [one, other].sort((a, b) => a - b);
  self.asked.forEach((place, at) => {
    $(`#check-label-${at}`).textContent = say("word_number", { number: place + 1 });
    $(`#check-${at}`).value = "";
  });
  tell($("#check-says"));
  step("check");
  $("#check-0").focus();
}

function check(event) {
  event.preventDefault();
  busy(event.target, $("#check-says"), async () => {
    const isRight = self.asked.every((place, at) => normalise($(`#check-${at}`).value) === normalise(self.words[place]));
    if (!isRight) throw new Told("words_differ");
    self.posted = await make();
    offer($("#download-code"), `Integra · ${self.name} · ${self.email}\n\n${self.code}\n`, "text/plain");
    if (self.is_first) offer($("#download-file"), self.file, "application/json");
    $("#recovery-who").textContent = `${self.name} · ${self.email}`;
    $("#recovery-code").textContent = self.code;
    $("#kept-label").textContent = say(self.is_first ? "kept_both" : "kept");
    show($("#first-file"), self.is_first);
    step("recovery");
  });
}

function offer(link, words, kind) {
  link.href = URL.createObjectURL(new Blob([words], { type: kind + ";charset=utf-8" }));
}

// Everything is made at once; what is posted opens nothing without the words or the code.
async function make() {
  const { id, token, words } = self;
  const salt = sealing.newSalt();
  const { auth, wrappingKey } = await sealing.officerSecrets(words.join(" "), salt);
  const [reading, signing] = [await sealing.newReadingKey(), await sealing.newSigningKey()];
  const pair = { reading: reading.pkcs8, signing: signing.pkcs8 };
  self.code = await sealing.newRecoveryCode();
  self.fingerprint = await officerFingerprint({ reading: reading.publicKey, signing: signing.publicKey });
  const posted = {
    token,
    salt,
    auth,
    reading_key: reading.publicKey,
    signing_key: signing.publicKey,
    bundle: await sealing.wrapBundle(wrappingKey, id, pair),
    recovery_bundle: await sealing.wrapBundle(await sealing.recoverySecret(self.code), id, pair),
  };
  return self.is_first ? { ...posted, ...(await makeUnit(wrappingKey, reading.publicKey, signing.publicKey)) } : posted;
}

// The very first officer: the unit's key, the recovery reader, and the first list of who may read.
async function makeUnit(wrappingKey, ownReading, ownSigning) {
  const { id, name } = self;
  const [unit, recovery] = [await sealing.newSigningKey(), await sealing.newReadingKey()];
  const readers = [
    { id, name, role: "officer", reading: ownReading, signing: ownSigning },
    { id: "recovery", name: say("recovery_name"), role: "recovery", reading: recovery.publicKey, signing: "" },
  ];
  const body = sealing.keysBody({ serial: 1, day: self.today, unit: unit.publicKey, readers });
  self.file = await sealing.recoveryFile(self.code, id, { reading: recovery.pkcs8, unit: unit.pkcs8 });
  self.unit = await sealing.fingerprint(unit.publicKey);
  return {
    unit_bundle: await sealing.wrapUnit(wrappingKey, id, unit.pkcs8),
    keys: await sealing.signKeys(unit.privateKey, body),
  };
}

function finish(event) {
  event.preventDefault();
  busy(event.target, $("#finish-says"), async () => {
    const { status, body } = await post("/console/signup", self.posted);
    if (status === 409) throw new Told(body.error === "token" ? "invite_refused" : "keys_refused");
    if (status !== 201) throw new Told("failed");
    history.replaceState(null, "", location.pathname + location.search);
    const { fingerprint, unit } = self;
    self = null;
    for (const secret of ["#passphrase", "#recovery-code"]) $(secret).replaceChildren();
    $("#own-fingerprint").textContent = fingerprint;
    for (const part of ["#unit-term", "#unit-value"]) show($(part), Boolean(unit));
    if (unit) $("#unit-fingerprint").textContent = unit;
    show($("#done-pending"), body.state === "pending");
    show($("#done-active"), body.state !== "pending");
    for (const link of ["#download-code", "#download-file"]) URL.revokeObjectURL($(link).href);
    step("done");
  });
}
