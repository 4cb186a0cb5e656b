// A new case: what is written, sealed and sent; the eight words; two of them typed back.

import * as sealing from "../sealing/sealing.js";
import { hex, sha256, unb64 } from "../sealing/encoding.js";
import { $, altered, busy, element, longDay, phrase, request, say, show, words } from "./page.js";

const ANSWERS = { y: "yes", n: "no", u: "unsure", "-": "skipped" };
let link = null; // { token, answers }
let list = null; // the verified list of readers
let drawn = null; // the eight words of the last attempt, with its locator
let doubtful = []; // earlier attempts that had no reply: perhaps they arrived all the same
let unsaved = false; // words are on the screen that were not typed back

export const isKept = () => unsaved || $("text").value.trim() !== "";

// Throws Altered when the list is not what its unit signed, or another unit's than the one shown before.
export async function begin(fromLink, keys) {
  link = fromLink;
  await showReaders(keys);
  $("answers-field").hidden = !link.answers;
  $("answers-list").replaceChildren(...[...link.answers].map((one) => element("li", phrase(ANSWERS[one]))));
}

async function showReaders(keys) {
  list = { ...(await sealing.verifyKeys(keys, list?.unit)), today: keys.day };
  const names = list.readers.map((one) => (one.role === "recovery" ? phrase("readers_recovery") : one.name));
  $("readers").replaceChildren(...names.map((name) => element("li", name)));
  $("fingerprint").textContent = await sealing.fingerprint(list.unit);
}

export function listen() {
  $("letter").addEventListener("submit", submit);
  $("letter").addEventListener("change", () => {
    $("name-field").hidden = $("letter").elements.who.value !== "yes";
  });
  $("noted").addEventListener("click", ask);
  $("again").addEventListener("click", () => show("sent"));
  $("check-words").addEventListener("submit", compare);
}

const fail = (key, field = "text") => {
  say("letter-error", key);
  $(field).focus();
};

async function submit(event) {
  event.preventDefault();
  say("letter-error");
  if (!$("text").value.trim()) return fail("error_text");
  if (!$("decision").validity.valid) return fail("error_date", "decision");
  await busy($("letter"), "sending", send);
}

async function send() {
  if (await arrived()) return;
  const keys = await request("/c/keys");
  if (keys.status !== 200) return fail("error_unsent");
  try {
    const serial = list.serial;
    await showReaders(keys.content);
    if (list.serial !== serial) return fail("error_keys");
  } catch {
    return altered("keys");
  }
  let body;
  try {
    body = await seal();
  } catch (fault) {
    return fail(fault instanceof RangeError ? "error_size" : "error_crypto");
  }
  await post(body);
}

async function post(body) {
  const { status, content } = await request("/c/cases", body);
  if (status === 201) return sent(content.due_on);
  if (status === 0 || status >= 500) {
    doubtful.push(drawn);
    return fail("error_network");
  }
  if (content.error === "token" && (await arrived())) return;
  const known = { token: "error_token", keys: "error_keys", day: "error_day", size: "error_size" };
  fail(known[content.error] || "error_server");
}

async function arrived() {
  for (const attempt of doubtful) {
    const { status, content } = await request("/c/thread", { locator: attempt.locator });
    if (status === 200) {
      drawn = attempt;
      sent(content.due_on);
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

// Everything that leaves: nothing in it opens without a reader's key or the eight words.
async function seal() {
  const chosen = sealing.drawWords(await words(sealing), 8);
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

function sent(dueOn) {
  unsaved = true;
  doubtful = [];
  $("letter").reset();
  $("name-field").hidden = true;
  history.replaceState(null, "", location.pathname); // the link is spent
  say("sent-due", "sent", { date: longDay(dueOn) });
  $("sent-words").replaceChildren(...drawn.words.map((word) => element("li", word)));
  const [one, two] = crypto.getRandomValues(new Uint8Array(2));
  const first = one % 8;
  drawn.asked = [first, (first + 1 + (two % 7)) % 8].sort();
  show("sent");
}

function ask() {
  for (const [at, field] of ["check-one", "check-two"].entries()) {
    $(field).value = "";
    say(field + "-label", "sent_word", { number: drawn.asked[at] + 1 });
  }
  say("check-error");
  show("check");
}

function compare(event) {
  event.preventDefault();
  const typed = [$("check-one").value, $("check-two").value].map(sealing.normalise);
  if (!drawn.asked.every((place, at) => sealing.normalise(drawn.words[place]) === typed[at])) {
    say("check-error", "sent_wrong");
    return $("check-one").focus();
  }
  unsaved = false;
  drawn = null;
  $("sent-words").replaceChildren();
  $("check-words").reset();
  return show("done");
}
