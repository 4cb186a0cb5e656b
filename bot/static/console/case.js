// The case page: opens the letters, signs and seals the answer. The server sees only ciphertext.

import * as hpke from "../sealing/hpke.js";
import { text as decodeText, unb64, utf8 } from "../sealing/encoding.js";
import * as sealing from "../sealing/sealing.js";
import { $, announce, busy, get, main, post, phrase, show, showMessage, UserError } from "./page.js";
import { withKeys } from "./signin.js";
import { keys } from "./vault.js";

const DRAFT = utf8("integra/v1/draft");

let thread = null; // { caseId, epoch, today, caseKeys, letters, list }
let draft = null; // an unsent answer, sealed to the officer's own key while the tab is locked
let draftCase = ""; // the id of the case that `draft` belongs to

export function wire() {
  thread = null;
  if (draftCase !== main().dataset.case) draft = null;
  draftCase = main().dataset.case;
  $("#answer").addEventListener("submit", send);
  $('[data-action="cite"]').addEventListener("click", cite);
  withKeys(open);
}

// Locking removes every text from the page; an unsent answer is sealed and restored after the unlock.
document.addEventListener("console:locked", async () => {
  const isCase = main().dataset.page === "case";
  const unsent = isCase ? $("#text").value : "";
  const own = main().dataset.reading;
  thread = null;
  if (!isCase) return;
  $("#letters").replaceChildren();
  $("#text").value = "";
  show($("#opened"), false);
  show($("#sent"), false);
  showMessage($("#says"));
  withKeys(open);
  if (unsent && own) draft = await hpke.seal(unb64(own), DRAFT, utf8(unsent));
});

// ---------------------------------------------------------------- reading

async function open() {
  const caseId = main().dataset.case;
  try {
    const { status, body } = await get(`/console/cases/${caseId}/letters`);
    if (status !== 200) throw new UserError("failed");
    thread = await unseal(caseId, body);
    await render();
    if (draft) {
      const { privateKey, publicKey } = keys().reading;
      $("#text").value = decodeText(await hpke.open({ privateKey, publicKey: unb64(publicKey) }, DRAFT, draft));
      draft = null;
    }
    main().dataset.reading = keys().reading.publicKey;
    show($("#opened"), true);
    announce("opened");
  } catch (error) {
    thread = null;
    $("#letters").replaceChildren();
    show($("#opened"), false);
    showMessage($("#says"), error instanceof sealing.Altered ? "altered" : (error.key ?? "failed"));
  }
}

async function unseal(caseId, body) {
  if (body.case !== caseId) throw new sealing.Altered("case");
  const { id, reading, signing } = keys();
  const list = await sealing.verifyKeys(body.keys, keys().trusted);
  const own = list.readers.find((reader) => reader.id === id);
  if (own?.reading !== reading.publicKey || own.signing !== signing.publicKey) throw new sealing.Altered("keys");
  keys().trusted = list.unit;
  const caseKeys = {};
  for (const { epoch, sealed } of body.access) {
    caseKeys[epoch] = await sealing.openAccess(reading, sealed, { case: caseId, epoch, reader: id });
  }
  const { epoch, today, letters } = body;
  showState(body.state);
  return { caseId, epoch, today, caseKeys, letters, list };
}

async function render() {
  const { caseId, caseKeys, letters, list } = thread;
  const opened = await sealing.openThread(caseId, caseKeys, letters, list);
  $("#letters").replaceChildren(...opened.map(letterElement));
}

function letterElement({ letter, content, author, signer }) {
  const article = $("#letter").content.firstElementChild.cloneNode(true);
  const day = letter.context.day.split("-").reverse().join("/");
  article.classList.add(author);
  $("h3", article).textContent = author === "officer" ? phrase("letter_officer", { name: signer.name, day }) : phrase("letter_asker", { day });
  $(".seal", article).textContent = author === "officer" ? phrase("seal_officer") : phrase("seal_asker");
  $(".text", article).textContent = content.text;
  for (const [field, key] of [["decision_on", "decision_on"], ["identified", "identified"]]) {
    if (!content[field]) continue;
    const line = document.createElement("p");
    line.textContent = phrase(key, { value: field === "decision_on" ? content[field].split("-").reverse().join("/") : content[field] });
    article.append(line);
  }
  if (/[ynu]/.test(content.answers ?? "")) article.append(answersTable(content.answers));
  return article;
}

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

function showState(state) {
  $("#case-state").textContent = phrase("state_" + state);
}

// ---------------------------------------------------------------- answering

// Inserts the chosen citation at the cursor.
function cite() {
  const textarea = $("#text");
  const citation = $("#article").value;
  if (!citation) return;
  textarea.setRangeText(citation, textarea.selectionStart, textarea.selectionEnd, "end");
  textarea.focus();
}

function send(event) {
  event.preventDefault();
  busy(event.target, $("#answer-says"), async () => {
    const { caseId, epoch, today, caseKeys, letters } = thread;
    const content = { text: $("#text").value.trim() };
    if (!content.text) throw new UserError("empty");
    const previous = await sealing.letterHash(letters.at(-1));
    const context = { case: caseId, epoch, seq: letters.length + 1, author: "officer", day: today, previous };
    const { id, signing } = keys();
    const letter = await sealing
      .sealLetter(caseKeys[epoch], context, content, { id, privateKey: signing.privateKey })
      .catch((error) => {
        throw new UserError(error instanceof RangeError ? "too_long" : "failed");
      });
    const { status, body } = await post(`/console/cases/${caseId}/letters`, { letter });
    if (status !== 201) throw new UserError(body?.error === "seq" ? "news_meanwhile" : body?.error === "state" ? "closed" : "failed");
    thread.letters.push(letter);
    $("#text").value = "";
    showState(body.state);
    await render();
    announce("sent");
    $(".facts .mark")?.remove();
    show($("#sent"), true);
    $("#sent").scrollIntoView({ block: "nearest" });
  });
}
