// A new case: written, sealed and sent; then the eight words are shown and two of them asked back.

import * as sealing from "../sealing/sealing.js";
import { hex, sha256, unb64 } from "../sealing/encoding.js";
import { $, busy, element, fetchWordList, longDay, phrase, request, show, showAltered, showPhrase } from "./page.js";

const ANSWERS = { y: "yes", n: "no", u: "unsure", "-": "skipped" };
let link = null; // { token, answers }
let list = null; // the verified list of readers, with `today`, the local date that the server gave
let drawn = null; // { words, locator, asked } of the last attempt; `asked`: indexes of the two words to type back
let unconfirmed = []; // earlier attempts without a response: they may have arrived
let wordsUnconfirmed = false; // the eight words are on the screen and were not typed back yet

export const hasUnfinishedWork = () => wordsUnconfirmed || $("text").value.trim() !== "";

// Throws Altered when the list's signature does not verify, or when its unit is not the one shown before.
export async function begin(fromLink, keys) {
  link = fromLink;
  await showReaders(keys);
  $("answers-field").hidden = !link.answers;
  $("answers-list").replaceChildren(...[...link.answers].map((answer) => element("li", phrase(ANSWERS[answer]))));
}

async function showReaders(keys) {
  list = { ...(await sealing.verifyKeys(keys, list?.unit)), today: keys.day };
  const names = list.readers.map(({ role, name }) => (role === "recovery" ? phrase("readers_recovery") : name));
  $("readers").replaceChildren(...names.map((name) => element("li", name)));
  $("fingerprint").textContent = await sealing.fingerprint(list.unit);
}

export function addListeners() {
  $("letter").addEventListener("submit", submit);
  $("letter").addEventListener("change", () => {
    $("name-field").hidden = $("letter").elements.who.value !== "yes";
  });
  $("noted").addEventListener("click", askForTwoWords);
  $("again").addEventListener("click", () => show("sent"));
  $("check-words").addEventListener("submit", checkWords);
}

const fail = (key, field = "text") => {
  showPhrase("letter-error", key);
  $(field).focus();
};

async function submit(event) {
  event.preventDefault();
  showPhrase("letter-error");
  if (!$("text").value.trim()) return fail("error_text");
  if (!$("decision").validity.valid) return fail("error_date", "decision");
  await busy($("letter"), "sending", send);
}

async function send() {
  if (await hasArrived()) return;
  const keys = await request("/c/keys");
  if (keys.status !== 200) return fail("error_unsent");
  try {
    const serial = list.serial;
    await showReaders(keys.content);
    if (list.serial !== serial) return fail("error_keys");
  } catch {
    return showAltered("keys");
  }
  let body;
  try {
    body = await seal();
  } catch (error) {
    return fail(error instanceof RangeError ? "error_size" : "error_crypto");
  }
  await post(body);
}

async function post(body) {
  const { status, content } = await request("/c/cases", body);
  if (status === 201) return showSent(content.due_on);
  if (status === 0 || status >= 500) {
    unconfirmed.push(drawn);
    return fail("error_network");
  }
  if (content.error === "token" && (await hasArrived())) return;
  const known = { token: "error_token", keys: "error_keys", day: "error_day", size: "error_size" };
  fail(known[content.error] || "error_server");
}

// Whether an earlier attempt without a response was stored after all; then its words are shown.
async function hasArrived() {
  for (const attempt of unconfirmed) {
    const { status, content } = await request("/c/thread", { locator: attempt.locator });
    if (status === 200) {
      drawn = attempt;
      showSent(content.due_on);
      return true;
    }
  }
  return false;
}

function content() {
  const named = $("letter").elements.who.value === "yes";
  return {
    text: $("text").value.trim(),
    answers: $("answers").checked ? link.answers : "",
    decision_on: $("decision").value,
    identified: named ? $("name").value.trim() : "",
  };
}

// Builds the request: nothing in it can be opened without a reader's key or the eight words.
async function seal() {
  const chosen = sealing.drawWords(await fetchWordList(sealing), 8);
  const { locator, wrappingKey } = await sealing.askerSecrets(chosen.join(" "));
  const id = sealing.newId();
  const own = await sealing.newReadingKey();
  const caseKey = sealing.newCaseKey();
  const context = { case: id, epoch: 1, seq: 1, author: "asker", day: list.today, previous: "" };
  const letter = await sealing.sealLetter(caseKey, context, content());
  const first = await sealing.letterHash(letter);
  const readers = [...list.readers, { id: "asker", reading: own.publicKey }];
  drawn = { words: chosen, locator };
  return {
    token: link.token,
    case: id,
    day: list.today,
    serial: list.serial,
    decision_on: $("decision").value,
    locator_hash: hex(await sha256(unb64(locator))),
    asker_key: own.publicKey,
    asker_bundle: await sealing.wrapAsker(wrappingKey, id, { reading: own.pkcs8, unit: list.unit, first }),
    access: await Promise.all(
      readers.map(async ({ id: reader, reading }) => ({
        reader,
        sealed: await sealing.sealAccess(caseKey, reading, { case: id, epoch: 1, reader }),
      })),
    ),
    letter,
  };
}

// ---------------------------------------------------------------- the eight words

function showSent(dueOn) {
  wordsUnconfirmed = true;
  unconfirmed = [];
  $("letter").reset();
  $("name-field").hidden = true;
  history.replaceState(null, "", location.pathname); // the link is spent
  showPhrase("sent-due", "sent", { date: longDay(dueOn) });
  $("sent-words").replaceChildren(...drawn.words.map((word) => element("li", word)));
  const random = crypto.getRandomValues(new Uint8Array(2));
  const first = random[0] % 8;
  drawn.asked = [first, (first + 1 + (random[1] % 7)) % 8].sort();
  show("sent");
}

function askForTwoWords() {
  for (const [index, field] of ["check-one", "check-two"].entries()) {
    $(field).value = "";
    showPhrase(field + "-label", "sent_word", { number: drawn.asked[index] + 1 });
  }
  showPhrase("check-error");
  show("check");
}

function checkWords(event) {
  event.preventDefault();
  const typed = [$("check-one").value, $("check-two").value].map(sealing.normalise);
  if (!drawn.asked.every((word, index) => sealing.normalise(drawn.words[word]) === typed[index])) {
    showPhrase("check-error", "sent_wrong");
    return $("check-one").focus();
  }
  wordsUnconfirmed = false;
  drawn = null;
  $("sent-words").replaceChildren();
  $("check-words").reset();
  return show("done");
}
