// The page that hands over many cases: each is opened, verified, handed over and remembered before the next one. A run
// that stops, for whatever reason, has done some cases whole and others not at all; the same press does the rest.

import { colleagues, handOver, rememberHanded } from "./handing.js";
import { $, busy, main, phrase, show, showMessage, UserError } from "./page.js";
import { recipients, showRecipients } from "./recipients.js";
import { withKeys } from "./signin.js";
import { chain, refresh } from "./trust.js";
import { keys } from "./vault.js";

// What may be wrong with one case alone; anything else would meet the next one too, and stops the run.
const OF_ONE = ["altered_thread", "wrong_key", "stopped", "refused", "hand_excluded", "hand_alone", "news_meanwhile", "letters_later", "failed"];

let isStopping = false;

export function wire() {
  $("#handing-over")?.addEventListener("submit", run);
  $("#all")?.addEventListener("change", ({ target }) => boxes().forEach((box) => (box.checked = target.checked)));
  $('[data-action="stop"]')?.addEventListener("click", () => (isStopping = true));
  withKeys(begin);
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page !== "handover") return;
  show($("#unlocked"), false);
  withKeys(begin);
});

async function begin() {
  try {
    const newest = await refresh();
    const form = $("#handing-over");
    if (form) showRecipients(form, colleagues(newest), newest);
    show($("#unlocked"), true);
  } catch (error) {
    showMessage($("#says"), error.key ?? "failed");
  }
}

const boxes = () => [...document.querySelectorAll("#own tbody input:not(:disabled)")];

function run(event) {
  event.preventDefault();
  const form = event.target;
  busy(form, $(".says", form), async () => {
    const wanted = { to: recipients(form), leaves: $("#leaves").checked, text: $("#sentence").value.trim() };
    const chosen = boxes().filter(({ checked }) => checked);
    if (!chosen.length) throw new UserError("hand_no_case");
    if (!wanted.to.length && !wanted.leaves) throw new UserError("hand_nobody");
    await refresh();
    isStopping = false;
    $('[data-action="stop"]', form).disabled = false;
    show($("#running", form), true);
    await each(form, chosen, wanted).finally(() => show($("#running", form), false));
  });
}

// One case after another, until one fails in a way that all others would, or the page is left, locked or told to stop.
async function each(form, chosen, wanted) {
  let [done, failed] = [0, 0];
  for (const [at, box] of chosen.entries()) {
    if (isStopping || !keys() || !form.isConnected) break;
    Object.assign($("#progress", form), { value: at, max: chosen.length });
    $("#progress-text", form).textContent = phrase("hand_progress", { at: at + 1, of: chosen.length });
    const isDone = await one(box, wanted);
    if (isDone) done += 1;
    else failed += 1;
  }
  const left = chosen.length - done - failed;
  $("#all", form).checked = false;
  showMessage($("#result", form), failed ? "hand_some" : left ? "hand_stopped" : "hand_all", { done, failed, left });
}

// Hands one case over and keeps it in the notebook; false where this case alone cannot be handed over, as its row says.
async function one(box, wanted) {
  let handed = null;
  try {
    handed = await handOver(box.value, wanted, chain());
  } catch (error) {
    mark(box, error.key ?? "failed", error.values);
    if (!OF_ONE.includes(error.key)) throw error;
    $("[data-result]", box.closest("tr")).classList.add("mark");
    return false;
  }
  mark(box, handed ? "was_handed" : "was_handed_before");
  Object.assign(box, { checked: false, disabled: wanted.leaves });
  if (handed) await rememberHanded(handed, wanted.leaves);
  return true;
}

function mark(box, key, values) {
  const cell = $("[data-result]", box.closest("tr"));
  cell.textContent = phrase(key, values);
  cell.classList.remove("mark");
}
