// New words and new recovery codes: how pages make and show them, and what the server gets of them.

import { derive, deriveKey, normalise, wrapOfficer } from "../sealing/boxes.js";
import { encode } from "../sealing/canonical.js";
import { codeSecret, drawWords, newId, newRecoveryCode, random } from "../sealing/words.js";
import { $, busy, offerDownload, phrase, post, show, showMessage, UserError } from "./page.js";
import { officerSecrets } from "./vault.js";

const WORDS = 7;

// ---------------------------------------------------------------- what is made

// What a code gives: `auth` for the server, `wrap` for the box that only this browser opens. A mistyped code throws Altered.
export async function codeSecrets(code) {
  const secret = await codeSecret(code);
  return { auth: encode(await derive(secret, "code-auth")), wrap: await deriveKey(secret, "recovery") };
}

// Who reads no queries has words and no keys: `officer` is null then.
export async function sealWithWords(words, officer) {
  const salt = newId();
  const { auth, wrap } = await officerSecrets(words.join(" "), salt);
  return { salt, auth, bundle: officer && (await wrapOfficer(wrap, officer, "words")) };
}

export async function sealWithCode(code, officer) {
  const { auth, wrap } = await codeSecrets(code);
  return { auth, bundle: await wrapOfficer(wrap, officer, "code") };
}

// Posts what replaces words or code; returns the response, or null where it is not known whether the server stored it.
export async function save(path, body) {
  try {
    const answer = await post(path, body);
    return answer.status < 500 ? answer : null;
  } catch (error) {
    if (error.key === "session_over") return { status: 401, body: null };
    if (["later", "other_officer"].includes(error.key)) throw error; // refused: nothing was stored
    return null;
  }
}

// ---------------------------------------------------------------- what is shown

export function showStep(name) {
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === name);
  $(`[data-step="${name}"] h2`)?.focus();
}

// Shows seven new words, asks for two of them, and runs `next` with all seven.
export function offerWords(next) {
  const words = drawWords(WORDS);
  $("#passphrase").replaceChildren(...words.map(listed));
  $('[data-action="written"]').onclick = () => askForTwo(words, next);
  $('[data-action="back"]').onclick = () => showStep("words");
  showStep("words");
}

function listed(word) {
  const item = document.createElement("li");
  item.textContent = word;
  return item;
}

// A word that was not written down would be lost with the tab.
function askForTwo(words, next) {
  const drawn = random(2);
  const first = drawn[0] % WORDS;
  const asked = [first, (first + 1 + (drawn[1] % (WORDS - 1))) % WORDS].sort((left, right) => left - right);
  asked.forEach((index, field) => {
    $(`#check-label-${field}`).textContent = phrase("word_number", { number: index + 1 });
    $(`#check-${field}`).value = "";
  });
  showMessage($("#check-says"));
  $("#check").onsubmit = (event) => {
    event.preventDefault();
    busy(event.target, $("#check-says"), async () => {
      const isRight = asked.every((index, field) => normalise($(`#check-${field}`).value) === normalise(words[index]));
      if (!isRight) throw new UserError("words_differ");
      await next(words);
    });
  };
  showStep("check");
  $("#check-0").focus();
}

// Shows a new code on its paper, and runs `next` with it once it was kept.
export async function offerCode(who, next) {
  const code = await newRecoveryCode();
  $("#recovery-who").textContent = who;
  $("#recovery-code").textContent = code;
  const paper = `Integra · ${$("#code-title").textContent}\n${who}\n\n${code}\n`;
  offerDownload($("#download-code"), paper);
  $("#keep").reset();
  $("#keep").onsubmit = (event) => {
    event.preventDefault();
    busy(event.target, $("#keep-says"), () => next(code));
  };
  showStep("recovery");
}

// Takes secrets off the page: they were saved, or are of no use any more.
export function forgetShown() {
  for (const secret of ["#passphrase", "#recovery-code"]) $(secret)?.replaceChildren();
  const link = $("#download-code");
  if (link) URL.revokeObjectURL(link.href);
}
