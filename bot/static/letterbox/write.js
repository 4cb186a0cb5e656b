// A new case: written, sealed and sent; then the eight words are shown and two of them asked back.

import { normalise } from "../sealing/boxes.js";
import { decode } from "../sealing/canonical.js";
import { isOfficer, pinOf, unitFingerprint } from "../sealing/lists.js";
import { newReadingPair, newSigningPair } from "../sealing/signatures.js";
import { NO_LETTERS } from "../sealing/threads.js";
import { bell } from "../sealing/tokens.js";
import { drawWords, locatorHash, newId } from "../sealing/words.js";
import { sealBox, secretsOf } from "./box.js";
import { chosen, focusChoice, offer } from "./choice.js";
import { $, busy, element, longDay, phrase, request, show, showAltered, showPhrase, valuesOf } from "./page.js";
import { sealNext } from "./seal.js";
import { listForWriting } from "./trust.js";

const ANSWERS = { y: "yes", n: "no", u: "unsure", "-": "skipped" };
let link = null; // { token, answers }
let chain = null; // the verified list of readers
let drawn = null; // { words, locator, asked } of the last attempt; `asked`: indexes of the two words to type back
let unconfirmed = []; // earlier attempts without a response: they may have arrived
let wordsUnconfirmed = false; // the eight words are on the screen and were not typed back yet

export const hasUnfinishedWork = () => wordsUnconfirmed || $("text").value.trim() !== "";

// Throws where nothing may be written to these readers, as listForWriting does.
export async function begin(fromLink, signed) {
  link = fromLink;
  $("readers").replaceChildren(); // another letter has a choice of its own
  await showReaders(signed);
  $("answers-field").hidden = !link.answers;
  $("answers-list").replaceChildren(...[...link.answers].map((answer) => element("li", phrase(ANSWERS[answer]))));
}

async function showReaders(signed) {
  chain = await listForWriting(signed, chain);
  offer("readers", chain);
  $("fingerprint").textContent = await unitFingerprint(chain.newest.unit);
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

const fail = (key, field = "text", values = {}) => {
  showPhrase("letter-error", key, values);
  $(field).focus();
};

async function submit(event) {
  event.preventDefault();
  showPhrase("letter-error");
  if (!chosen("readers").readers.some((id) => isOfficer(chain, id))) {
    showPhrase("letter-error", "choice_none");
    return focusChoice("readers");
  }
  if (!$("text").value.trim()) return fail("error_text");
  if (!$("decision").validity.valid) return fail("error_date", "decision");
  await busy($("letter"), "sending", send);
}

async function send() {
  if ((await hasArrived()) || !(await areReadersTheSame())) return;
  let body;
  try {
    body = await seal(drawWords(8));
  } catch ({ reason }) {
    return fail(reason === "content.size" ? "error_size" : "error_crypto");
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
  if (content.error === "keys" && !(await areReadersTheSame())) return;
  const known = { token: "error_token", keys: "error_keys", day: "error_day", closed: "error_closed", size: "error_size", later: "error_later" };
  fail(known[content.error] || "error_server", "text", valuesOf(content));
}

// Whether the newest list is the one on the page; if not, shows it or why it cannot be used, and nothing is sent.
async function areReadersTheSame() {
  const { status, content } = await request("/c/keys");
  if (status !== 200) {
    fail(status === 404 ? "error_closed" : "error_unsent");
    return false;
  }
  const { serial } = chain;
  try {
    await showReaders(content.list);
  } catch ({ kind }) {
    const known = { clock: "error_day", expired: "error_closed", refused: "error_closed" };
    if (known[kind]) fail(known[kind]);
    else showAltered("keys");
    return false;
  }
  if (chain.serial !== serial) fail("error_keys");
  return chain.serial === serial;
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

async function content() {
  const named = $("letter").elements.who.value === "yes";
  const optional = {
    answers: $("answers").checked ? link.answers : "",
    decision_on: $("decision").value,
    identified: named ? $("name").value.trim() : "",
  };
  return {
    text: $("text").value.trim(),
    fields: Object.fromEntries(Object.entries(optional).filter(([, value]) => value)),
    bell: await bell(decode(link.token)),
  };
}

// Builds the request: nothing in it can be opened without a reader's key or the eight words.
async function seal(words) {
  const secrets = await secretsOf(words.join(" "));
  drawn = { words, locator: secrets.locator };
  const id = newId();
  const own = { reading: await newReadingPair(), signing: await newSigningPair() };
  const first = { epoch: 1, isGrant: true, ...chosen("readers") };
  const story = { id, thread: NO_LETTERS, chain, own, caseKey: null };
  const { letter, access, thread } = await sealNext(story, first, "ask", await content());
  const [hash] = thread.hashes;
  const asker = {
    ...{ v: 2, case: id, reading: own.reading.pkcs8, signing: own.signing.pkcs8, unit: chain.newest.unit },
    ...{ list: await pinOf(chain.newest), first: hash, seen: { seq: 1, hash }, version: 1 },
  };
  const { box, signature } = await sealBox(secrets, asker, own.signing);
  const hashed = await locatorHash(secrets.locator);
  return { token: link.token, letter, access, locator_hash: hashed, box, signature, decision_on: $("decision").value };
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
  const typed = [$("check-one").value, $("check-two").value].map(normalise);
  if (!drawn.asked.every((word, index) => normalise(drawn.words[word]) === typed[index])) {
    showPhrase("check-error", "sent_wrong");
    return $("check-one").focus();
  }
  wordsUnconfirmed = false;
  drawn = null;
  $("sent-words").replaceChildren();
  $("check-words").reset();
  return show("done");
}
