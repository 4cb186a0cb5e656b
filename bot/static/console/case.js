// The case page: opens the letters, signs and seals the answer, hands the case over. The server sees only ciphertext.

import { utf8 } from "../sealing/canonical.js";
import { text as decodeText } from "../sealing/encoding.js";
import { draftInfo, openDraft, sealDraft } from "../sealing/keys.js";
import { caseOf } from "../sealing/threads.js";
import { extended, openCase, postLetter, remembered, sealed } from "./casefile.js";
import { explain, isStopped } from "./findings.js";
import { handOver, names, readersAround, rememberHanded } from "./handing.js";
import { letterElements } from "./letters.js";
import { entryOf } from "./notebook.js";
import { $, announce, busy, main, phrase, show, showMessage, UserError, verifying, whileHere } from "./page.js";
import { recipients, showRecipients } from "./recipients.js";
import { withKeys } from "./signin.js";
import { checkClock, isInForce, refresh, remember } from "./trust.js";
import { keys } from "./vault.js";

let opened = null; // the open case, as casefile.js gives it
let writer = null; // { point, info }: the own reading key and the place to which a draft is sealed
let draft = null; // an unsent answer, sealed to the officer's own key while the tab is locked: { sealed, info }
let draftCase = ""; // the id of the case that `draft` belongs to

const lane = "talk";
const caseId = () => main().dataset.case;

export function wire() {
  opened = null;
  if (draftCase !== caseId()) draft = null;
  draftCase = caseId();
  $("#answer").addEventListener("submit", send);
  $('[data-action="cite"]').addEventListener("click", cite);
  $("#hand").addEventListener("submit", (event) => give(event, false));
  $("#recuse").addEventListener("submit", (event) => give(event, true));
  withKeys(open);
}

// Locking removes every text from the page; an unsent answer is sealed and restored after the unlock.
document.addEventListener("console:locked", async () => {
  opened = null;
  if (main().dataset.page !== "case") return;
  const [unsent, own] = [$("#text").value, writer];
  writer = null;
  clear();
  $("#text").value = "";
  showMessage($("#says"));
  withKeys(open);
  if (unsent && own) draft = { sealed: await sealDraft(utf8(unsent), own.point, own.info), info: own.info };
});

function clear() {
  $("#letters").replaceChildren();
  for (const part of ["#opened", "#sent"]) show($(part), false);
  for (const form of ["#hand", "#recuse"]) $(form).reset();
}

// ---------------------------------------------------------------- reading

async function open() {
  showMessage($("#says"));
  try {
    const chain = await refresh();
    opened = await whileHere(() => openCase(caseId(), chain, entryOf(caseId())));
    explain(caseId());
    render(chain);
    await restoreDraft();
    show($("#opened"), true);
    announce("opened");
    await rememberOpened(chain);
  } catch (error) {
    opened = null;
    clear();
    $("#case-state").textContent = "—"; // what the row says is not verified
    showMessage($("#says"), error.key ?? "failed");
  }
}

function render(chain) {
  $("#letters").replaceChildren(...letterElements(opened, chain));
  $("#case-state").textContent = phrase("state_" + opened.state);
  const isStoppedHere = isStopped(caseId());
  show($("#writing"), !isStoppedHere && opened.state !== "closed");
  if (isStoppedHere) showMessage($("#says"), "stopped");
  renderReaders(chain, isStoppedHere);
}

function renderReaders(chain, isStoppedHere) {
  const { reading, eligible } = readersAround(opened, chain);
  $("#reading-now").textContent = phrase("reading_now", { names: names(reading, chain) });
  for (const form of ["#hand", "#recuse"]) showRecipients($(form), eligible, chain);
  for (const part of document.querySelectorAll("[data-eligible]")) show(part, (part.dataset.eligible === "some") === eligible.length > 0);
  show($("#handing"), !isStoppedHere);
}

// The letters stay on the page even if what was seen of them could not be stored.
const rememberOpened = (chain) => storing(remember(remembered(opened, chain)));

async function storing(work) {
  try {
    await whileHere(() => work);
  } catch (error) {
    showMessage($("#says"), error.key?.startsWith("altered") ? error.key : "notebook_unsaved");
  }
}

async function restoreDraft() {
  const { id, reading } = keys();
  writer = { point: reading.point, info: draftInfo(caseId(), lane, opened.thread.letters.length + 1, id) };
  if (!draft) return;
  const { sealed, info } = draft;
  draft = null;
  $("#text").value = decodeText(await verifying("altered_draft", () => openDraft(sealed, reading, info)));
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
    const text = $("#text").value.trim();
    if (!text) throw new UserError("empty");
    const chain = await refresh();
    checkClock();
    if (isStopped(caseId())) throw new UserError("stopped");
    const answered = await whileHere(() => answer(opened, chain, text));
    $("#text").value = "";
    opened = answered;
    render(chain);
    showSent("sent");
    $(".facts .mark")?.remove();
    await rememberOpened(chain);
  });
}

async function answer(before, chain, text) {
  const letter = await sealed(before, chain, { kind: "answer", text }, await isInForce());
  await postLetter(caseOf(before.thread), letter);
  return extended(before, chain, letter, text);
}

function showSent(key) {
  announce(key);
  $("#sent").textContent = phrase(key);
  show($("#sent"), true);
  $("#sent").scrollIntoView({ block: "nearest" });
}

// ---------------------------------------------------------------- handing over

function give(event, leaves) {
  event.preventDefault();
  const form = event.target;
  busy(form, $(".says", form), async () => {
    const wanted = { to: recipients(form), leaves, text: $("textarea", form).value.trim() };
    if (!leaves && !wanted.to.length) throw new UserError("hand_nobody");
    const chain = await refresh();
    const handed = await whileHere(() => handOver(caseId(), wanted, chain, opened));
    if (handed) await showHanded(handed, leaves);
  });
}

async function showHanded(handed, leaves) {
  opened = handed.opened;
  if (leaves) clear();
  else render(handed.chain);
  for (const form of ["#hand", "#recuse"]) {
    $(form).reset();
    $(form).closest("details").open = false;
  }
  showSent(leaves ? "recused" : "handed");
  await storing(rememberHanded(handed, leaves));
}
