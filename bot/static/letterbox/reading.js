// How an open case is shown: its state, its letters with what each of them changed, and the file that can be downloaded.

import { nextSeal } from "../sealing/epochs.js";
import { ASKER } from "../sealing/fields.js";
import { isActive } from "../sealing/lists.js";
import { excludedOf } from "../sealing/threads.js";
import { OPEN_CASE, offer } from "./choice.js";
import { $, element, inLanguage, longDay, phrase, showPhrase, textIn } from "./page.js";
import { notInForce } from "./trust.js";

const STATE_BY_KIND = { close: "closed", answer: "answered", question: "asked_back" };

// `open` as in thread.js; `row` is what the server says besides: { state, due_on }.
export function render(open, row, hasUnsentText) {
  const state = stateOf(open, row);
  showPhrase("thread-state", "state_" + state);
  showPhrase("thread-due", ...(["received", "open"].includes(state) ? ["due", { date: longDay(row.due_on) }] : []));
  const reason = notInForce(open.chain);
  showPhrase("thread-list", ...(reason ? ["thread_" + reason, { date: longDay(open.chain.newest.until) }] : []));
  $("letters").replaceChildren(...open.contents.map((_, at) => article(open, at)));
  renderAccess(open);
  $("access").hidden = state === "closed";
  $("reply").hidden = state === "closed" && !hasUnsentText;
  showPhrase("reply-done", ...(state === "closed" ? ["reply_closed"] : []));
}

// By the newest letter, which is signed, but one that hands over, which leaves the state as it was; the row says only
// whether the case was opened.
function stateOf({ thread }, { state }) {
  const kinds = thread.letters.map(({ context }) => context.kind).filter((kind) => kind !== "hand");
  return STATE_BY_KIND[kinds.at(-1)] || (state === "received" ? state : "open");
}

// { readers, excluded } of what is written from now on, by the rule for writing; no readers where no officer is left.
export function standing({ thread, chain, remembered }) {
  try {
    return nextSeal(thread, chain, ASKER, { seen: remembered, floor: 0, isInForce: true });
  } catch {
    return { readers: [], excluded: excludedOf(thread) };
  }
}

function renderAccess(open) {
  const { readers } = standing(open);
  $("access-now").replaceChildren(...accessLines(open).map((line) => element("p", line)));
  offer(OPEN_CASE, open.chain, (id) => readers.includes(id));
}

function accessLines(open) {
  const { readers, excluded } = standing(open);
  return [...lineOf("access_now", open.chain, readers), ...lineOf("access_out", open.chain, excluded)];
}

function article(open, at) {
  const { thread, contents, chain } = open;
  const { context } = thread.letters[at];
  const author = context.author === ASKER ? "asker" : "officer";
  const who = element("strong", nameOf(chain, context.author));
  const mark = element("span", "✓ ", phrase(author === "officer" ? "signed_ok" : "sealed_ok"));
  mark.className = "mark";
  const days = ["es", "en"].map((language) => inLanguage(language, longDay(context.day)(language)));
  const heading = element("p", who, " · ", element("span", ...days), " · ", mark);
  if (author === "officer" && !isActive(chain, context.author)) heading.append(" · ", phrase("author_left"));
  const body = element("p", contents[at].text);
  body.className = "text";
  const created = element("article", heading, body, ...linesOf(open, at).map((line) => element("p", line)));
  created.className = author;
  return created;
}

// What is said below a letter's text.
function linesOf({ thread, contents, chain }, at) {
  const { context } = thread.letters[at];
  const own = context.author === ASKER ? fieldLines(contents[at].fields) : [];
  return [...own, ...grantLines(thread, chain, context), ...lostLines(context)];
}

// A phrase, or the name in the verified list.
function nameOf(chain, id) {
  if (id === ASKER) return phrase("you");
  const { role, name } = chain.byId.get(id).join;
  return role === "recovery" ? phrase("readers_recovery") : name;
}

function fieldLines({ decision_on: day = "", identified: name = "" }) {
  return [
    ...(day ? [phrase("decision_line", { date: longDay(day) })] : []),
    ...(name ? [phrase("identified_line", { name })] : []),
  ];
}

// Whom a letter adds, removes and excludes; of the first one only who is excluded, as all others read.
function grantLines({ grants }, chain, { seq }) {
  const at = grants.findIndex((grant) => grant.seq === seq);
  if (at < 0) return [];
  const { readers: after, excluded } = grants[at].grant;
  const { readers: before, excluded: out } = at ? grants[at - 1].grant : { readers: after, excluded: [] };
  return [
    ...lineOf("grant_added", chain, after.filter((id) => !before.includes(id))),
    ...lineOf("grant_removed", chain, before.filter((id) => !after.includes(id))),
    ...lineOf("grant_excluded", chain, excluded.filter((id) => !before.includes(id) && !out.includes(id))),
  ];
}

// A phrase with names, in an array; none where there is nobody to name.
function lineOf(key, chain, ids) {
  const names = (language) => ids.map((id) => textIn(nameOf(chain, id), language)).join(", ");
  return ids.length ? [phrase(key, { names })] : [];
}

const lostLines = ({ lost }) => (lost.length ? [phrase("lost_line", { count: lost.length })] : []);

export function download(open) {
  const { thread, contents, chain } = open;
  const letters = thread.letters.map(({ context }, at) => {
    const lines = linesOf(open, at).map((line) => `\n${textIn(line)}\n`);
    return `${context.day} · ${textIn(nameOf(chain, context.author))}\n\n${contents[at].text}\n${lines.join("")}`;
  });
  const last = accessLines(open).map((line) => textIn(line) + "\n").join("");
  const text = [...letters, last].join("\n――――――――――\n\n");
  const file = new Blob([text], { type: "text/plain;charset=utf-8" });
  const anchor = element("a");
  anchor.href = URL.createObjectURL(file);
  anchor.download = "consulta.txt";
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}
