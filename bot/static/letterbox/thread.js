// An earlier case: opened with the eight words, read, replied to, downloaded.

import * as sealing from "../sealing/sealing.js";
import { $, busy, element, fetchWordList, longDay, phrase, plainPhrase, request, show, showAltered, showPhrase } from "./page.js";

// The open case: { locator, wrappingKey, case, today, keys, letters: [{ letter, content, author, signer }] }; `keys` holds
// the case key of each epoch.
let open = null;

export const hasUnsavedText = () => $("reply-text").value.trim() !== "";

export function addListeners() {
  $("open").addEventListener("submit", (event) => {
    event.preventDefault();
    showPhrase("open-error");
    busy($("open"), "words_opening", openWithWords);
  });
  $("reply").addEventListener("submit", (event) => {
    event.preventDefault();
    showPhrase("reply-error");
    showPhrase("reply-done");
    busy($("reply"), "sending", reply);
  });
  $("download").addEventListener("click", download);
  $("leave").addEventListener("click", leave);
}

async function openWithWords() {
  const typed = sealing.normalise($("words").value);
  const problem = await wordProblem(typed.split(" ").filter(Boolean));
  if (problem) return refuse(...problem);
  const secrets = await sealing.askerSecrets(typed);
  const key = await load(secrets);
  if (key) return refuse(key);
  $("words").value = "";
  return open && show("thread");
}

function refuse(key, values) {
  showPhrase("open-error", key, values);
  $("words").focus();
}

// Returns [phrase key, values] of what is wrong with the words, or null.
async function wordProblem(typed) {
  if (typed.length !== 8) return ["words_count", { count: typed.length }];
  let known;
  try {
    known = new Set((await fetchWordList(sealing)).map(sealing.normalise));
  } catch {
    return ["error_fetch"];
  }
  const word = typed.find((word) => !known.has(word));
  return word ? ["words_unknown", { word }] : null;
}

// Fetches and opens the thread; returns the phrase key of an error, or "". A thread that does not verify is never
// shown: `open` is null then.
async function load(secrets) {
  const { status, content } = await request("/c/thread", { locator: secrets.locator });
  if (status === 404) return "words_none";
  if (status !== 200 && content.error !== "altered") return "error_fetch";
  try {
    open = { ...secrets, ...(await verified(secrets, content)) };
    render(content);
  } catch {
    open = null;
    showAltered("letters");
  }
  return "";
}

async function verified({ wrappingKey }, thread) {
  const own = await sealing.unwrapAsker(wrappingKey, thread.case, thread.asker_bundle);
  const list = await sealing.verifyKeys(thread.keys, own.unit);
  const pair = await sealing.importReadingKey(own.reading);
  if (pair.publicKey !== thread.asker_key) throw new sealing.Altered("key");
  if (!thread.letters.length || (await sealing.letterHash(thread.letters[0])) !== own.first) throw new sealing.Altered("first");
  const keys = {};
  for (const { epoch, sealed } of thread.access) {
    keys[epoch] = await sealing.openAccess(pair, sealed, { case: thread.case, epoch, reader: "asker" });
  }
  const letters = await sealing.openThread(thread.case, keys, thread.letters, list);
  return { case: thread.case, today: thread.today, keys, letters };
}

function render({ state, due_on }) {
  showPhrase("thread-state", "state_" + state);
  showPhrase("thread-due", ...(["received", "open"].includes(state) ? ["due", { date: longDay(due_on) }] : []));
  $("letters").replaceChildren(...open.letters.map(letterElement));
  $("reply").hidden = state === "closed";
  showPhrase("reply-done", ...(state === "closed" ? ["reply_closed"] : []));
}

function letterElement({ letter, content, author, signer }) {
  const who = element("strong", author === "officer" ? signer.name : phrase("you"));
  const mark = element("span", "✓ ", phrase(author === "officer" ? "signed_ok" : "sealed_ok"));
  mark.className = "mark";
  const day = element("span", ...localisedDay(letter.context.day));
  const body = element("p", content.text || "");
  body.className = "text";
  const article = element("article", element("p", who, " · ", day, " · ", mark), body);
  article.className = author;
  if (content.decision_on) article.append(element("p", phrase("decision_line", { date: longDay(content.decision_on) })));
  if (content.identified) article.append(element("p", phrase("identified_line", { name: content.identified })));
  return article;
}

const localisedDay = (day) =>
  ["es", "en"].map((language) => {
    const span = element("span", longDay(day)(language));
    span.lang = language;
    return span;
  });

async function reply() {
  const text = $("reply-text").value.trim();
  if (!text) return replyError("error_text");
  const last = open.letters.at(-1).letter;
  const { seq } = last.context;
  const epoch = Math.max(...open.letters.map(({ letter }) => letter.context.epoch));
  let letter;
  try {
    const previous = await sealing.letterHash(last);
    const context = { case: open.case, epoch, seq: seq + 1, author: "asker", day: open.today, previous };
    letter = await sealing.sealLetter(open.keys[epoch], context, { text });
  } catch (error) {
    return replyError(error instanceof RangeError ? "error_size" : "error_crypto");
  }
  const { status, content } = await request("/c/letters", { locator: open.locator, letter });
  if (status === 201) return reload(true);
  if (content.error === "seq") return resolveConflict(text);
  const known = { closed: "reply_closed", day: "error_day", size: "error_size" };
  return replyError(status === 0 || status >= 500 ? "error_network" : known[content.error] || "error_server");
}

// Another letter arrived first. If it is this reply, sent earlier and never acknowledged, then it has arrived.
async function resolveConflict(text) {
  const before = open.letters.length;
  await reload(false);
  const own = open?.letters.slice(before).some(({ author, content }) => author === "asker" && content.text === text);
  if (own) {
    $("reply-text").value = "";
    return showPhrase("reply-done", "reply_sent");
  }
  return open && replyError("reply_seq");
}

async function reload(isSent) {
  if (isSent) $("reply-text").value = "";
  const key = await load(open);
  if (isSent && open) showPhrase("reply-done", "reply_sent");
  else if (key) replyError(key);
}

function replyError(key) {
  showPhrase("reply-error", key);
  $("reply-text").focus();
}

function download() {
  const lines = open.letters.map(({ letter, content, author, signer }) => {
    const who = author === "officer" ? signer.name : plainPhrase("you");
    return `${letter.context.day} · ${who}\n\n${content.text}\n`;
  });
  const file = new Blob([lines.join("\n――――――――――\n\n")], { type: "text/plain;charset=utf-8" });
  const anchor = element("a");
  anchor.href = URL.createObjectURL(file);
  anchor.download = "consulta.txt";
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}

function leave() {
  open = null;
  $("letters").replaceChildren();
  $("reply").reset();
  show("start");
}
