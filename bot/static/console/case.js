// The case page: opens the letters, signs and seals the answer. The server sees only ciphertext.

import { utf8 } from "../sealing/canonical.js";
import { text as decodeText } from "../sealing/encoding.js";
import { draftInfo, openDraft, sealDraft } from "../sealing/keys.js";
import { extended, openCase, refusal, remembered, sealAnswer } from "./casefile.js";
import { explain, isStopped } from "./findings.js";
import { letterElements } from "./letters.js";
import { entryOf } from "./notebook.js";
import { $, announce, busy, main, phrase, post, show, showMessage, UserError, verifying } from "./page.js";
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
}

// ---------------------------------------------------------------- reading

async function open() {
  showMessage($("#says"));
  try {
    const chain = await refresh();
    opened = await openCase(caseId(), chain, entryOf(caseId()));
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
}

// The letters stay on the page even if what was seen of them could not be stored.
async function rememberOpened(chain) {
  try {
    await remember(remembered(opened, chain));
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
    const answer = await sealed(text, chain);
    const { letter, access, bell } = answer;
    const { status, body } = await post(`/console/cases/${caseId()}/letters`, { letter, access, bell });
    if (status !== 201) throw refusal(body?.error);
    $("#text").value = "";
    opened = await extended(opened, chain, answer, text);
    render(chain);
    showSent();
    await rememberOpened(chain);
  });
}

async function sealed(text, chain) {
  const inForce = await isInForce();
  return verifying("altered_thread", () =>
    sealAnswer(opened, chain, text, inForce).catch((error) => {
      throw error.reason === "content.size" ? new UserError("too_long") : error;
    }),
  );
}

function showSent() {
  announce("sent");
  $(".facts .mark")?.remove();
  show($("#sent"), true);
  $("#sent").scrollIntoView({ block: "nearest" });
}
