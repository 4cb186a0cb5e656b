// Draws the verified letters of a case: who wrote each and what is known of that, its text, and who may read from then on.

import { ASKER } from "../sealing/fields.js";
import { isActive } from "../sealing/lists.js";
import { $, filled, main, phrase, readable } from "./page.js";

const SHOWN_KINDS = ["question", "hand", "close", "resume"];

export const letterElements = ({ thread, contents }, chain) =>
  thread.letters.map(({ context }, at) => letterElement(context, contents[at], chain, grantsAround(thread, context.seq)));

function letterElement(context, content, chain, grants) {
  const isAsker = context.author === ASKER;
  const article = filled("#letter", { head: heading(context, chain), seal: sealOf(context, chain), text: content.text });
  article.classList.add(isAsker ? "asker" : "officer");
  if (!isAsker && !isActive(chain, context.author)) addBadge(article, phrase("has_left"));
  const lines = [...kindLines(context), ...fieldLines(content.fields), ...grantLines(grants, chain)];
  for (const text of lines) addLine(article, text);
  if (/[ynu]/.test(content.fields.answers ?? "")) article.append(answersTable(content.fields.answers));
  return article;
}

function heading({ author, day }, { byId }) {
  if (author === ASKER) return phrase("letter_asker", { day: readable(day) });
  return phrase("letter_officer", { name: byId.get(author).join.name, day: readable(day) });
}

// No more than what was verified: that keys are the same, not that people are.
function sealOf({ author, seq }) {
  if (author !== ASKER) return phrase("seal_officer");
  return phrase(seq === 1 ? "seal_first" : "seal_asker");
}

function addBadge(article, text) {
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.textContent = text;
  $("h3", article).append(" ", badge);
}

function addLine(article, text) {
  const line = document.createElement("p");
  line.className = "fact";
  line.textContent = text;
  article.append(line);
}

const kindLines = ({ kind, lost }) =>
  SHOWN_KINDS.includes(kind) ? [phrase("kind_" + kind, { count: lost.length })] : [];

function fieldLines({ decision_on: decisionOn, identified }) {
  return [
    ...(decisionOn ? [phrase("decision_on", { value: readable(decisionOn) })] : []),
    ...(identified ? [phrase("identified", { value: identified })] : []),
  ];
}

// ---------------------------------------------------------------- who may read

// The grant that a letter makes, and the one before it; both null where the letter makes none.
function grantsAround({ grants }, seq) {
  const at = grants.findIndex((one) => one.seq === seq);
  return { grant: grants[at]?.grant ?? null, former: at > 0 ? grants[at - 1].grant : null };
}

function grantLines({ grant, former }, { byId }) {
  if (!grant) return [];
  const format = new Intl.ListFormat(main().dataset.language, { type: "conjunction" });
  const line = (key, readers) =>
    readers.length ? [phrase(key, { names: format.format(readers.map((id) => byId.get(id).join.name)) })] : [];
  if (!former) return line("readers_first", grant.readers);
  return [
    ...line("readers_added", grant.readers.filter((id) => !former.readers.includes(id))),
    ...line("readers_removed", former.readers.filter((id) => !grant.readers.includes(id))),
  ];
}

// ---------------------------------------------------------------- the self-assessment

// The self-assessment sent inside the first letter, as a table; questions that were not asked are left out.
function answersTable(answers) {
  const table = $("#sheet").content.firstElementChild.cloneNode(true);
  JSON.parse(main().dataset.questions).forEach((question, at) => {
    if (!"ynu".includes(answers[at] ?? "-")) return;
    const row = document.createElement("tr");
    for (const [tag, content] of [["th", question], ["td", phrase("reply_" + answers[at])]]) {
      const cell = document.createElement(tag);
      if (tag === "th") cell.scope = "row";
      cell.textContent = content;
      row.append(cell);
    }
    $("tbody", table).append(row);
  });
  return table;
}
