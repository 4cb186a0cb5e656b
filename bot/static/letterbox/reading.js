// How an open case is shown: its state, its letters with what each of them changed, and the file that can be downloaded.

import { ASKER } from "../sealing/fields.js";
import { isActive } from "../sealing/lists.js";
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
  $("reply").hidden = state === "closed" && !hasUnsentText;
  showPhrase("reply-done", ...(state === "closed" ? ["reply_closed"] : []));
}

// By the newest letter, which is signed; the row says only whether the case was opened.
function stateOf({ thread }, { state }) {
  return STATE_BY_KIND[thread.letters.at(-1).context.kind] || (state === "received" ? state : "open");
}

function article({ thread, contents, chain }, at) {
  const { context } = thread.letters[at];
  const author = context.author === ASKER ? "asker" : "officer";
  const who = element("strong", nameOf(chain, context.author));
  const mark = element("span", "✓ ", phrase(author === "officer" ? "signed_ok" : "sealed_ok"));
  mark.className = "mark";
  const heading = element("p", who, " · ", element("span", ...["es", "en"].map((language) => inLanguage(language, longDay(context.day)(language)))), " · ", mark);
  if (author === "officer" && !isActive(chain, context.author)) heading.append(" · ", phrase("author_left"));
  const body = element("p", contents[at].text);
  body.className = "text";
  const own = author === "asker" ? fieldLines(contents[at].fields) : [];
  const lines = [...own, ...grantLines(thread, chain, context), ...lostLines(context)];
  const created = element("article", heading, body, ...lines.map((line) => element("p", line)));
  created.className = author;
  return created;
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

// Who reads from this letter on and did not before, and the other way round; the first letter's readers chose the asker.
function grantLines({ grants }, chain, { seq }) {
  const at = grants.findIndex((grant) => grant.seq === seq);
  if (at < 1) return [];
  const [before, after] = [grants[at - 1].grant.readers, grants[at].grant.readers];
  const names = (ids) => (language) => ids.map((id) => textIn(nameOf(chain, id), language)).join(", ");
  const line = (key, ids) => (ids.length ? [phrase(key, { names: names(ids) })] : []);
  return [
    ...line("grant_added", after.filter((id) => !before.includes(id))),
    ...line("grant_removed", before.filter((id) => !after.includes(id))),
  ];
}

const lostLines = ({ lost }) => (lost.length ? [phrase("lost_line", { count: lost.length })] : []);

export function download({ thread, contents, chain }) {
  const lines = thread.letters.map(({ context }, at) => {
    return `${context.day} · ${textIn(nameOf(chain, context.author))}\n\n${contents[at].text}\n`;
  });
  const file = new Blob([lines.join("\n――――――――――\n\n")], { type: "text/plain;charset=utf-8" });
  const anchor = element("a");
  anchor.href = URL.createObjectURL(file);
  anchor.download = "consulta.txt";
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}
