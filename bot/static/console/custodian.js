// A custodian's page: makes their key and their code in their own browser. The server gets the public key, and the
// private one encrypted under the code, which stands on the custodian's paper only.

import { CUSTODIAN, custodianFingerprint, custodianKey, wrapCustodian } from "../sealing/custody.js";
import { Altered } from "../sealing/errors.js";
import { unitFingerprint, unitPin } from "../sealing/lists.js";
import { newReadingPair } from "../sealing/signatures.js";
import { codeSecret, newRecoveryCode, random, supported } from "../sealing/words.js";
import { $, busy, offerDownload, phrase, post, show, showMessage, UserError, verifying } from "./page.js";
import { checkClock } from "./trust.js";

const GROUPS = 13; // of four characters; the fourteenth has one
const IN_A_LINE = 4; // groups, as the sheet shows them

let custodian = null; // the invitation, with the code and what is posted once they are made; discarded with the page

export async function wire() {
  custodian = null;
  if (!supported()) return showMessage($("#says"), "insecure");
  try {
    custodian = await invited();
  } catch (error) {
    return showMessage($("#says"), error.key ?? "failed");
  }
  $("#greeting").textContent = phrase("custodian_greeting", { name: custodian.name });
  showStep("welcome");
  const actions = { written: askForTwoGroups, back: () => showStep("code") };
  for (const [name, action] of Object.entries(actions)) $(`[data-action="${name}"]`).addEventListener("click", action);
  $("#make").addEventListener("submit", (event) => act(event, "#make-says", make));
  $("#check").addEventListener("submit", (event) => act(event, "#check-says", check));
}

// Who is invited, for the unit that the link names.
async function invited() {
  const [token, ...rest] = location.hash.slice(1).split("&");
  const pin = new URLSearchParams(rest.join("&")).get("u") ?? "";
  const { status, body } = await post("/console/custodian/begin", { token });
  if (status !== 200 || !pin) throw new UserError("custodian_refused");
  checkClock(body.today);
  await verifying("altered_invitation", async () => {
    if ((await unitPin(body.unit)) !== pin) throw new Altered("unit");
  });
  return { ...body, token, pin };
}

function act(event, alert, work) {
  event.preventDefault();
  busy(event.target, $(alert), work);
}

function showStep(name) {
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === name);
  $(`[data-step="${name}"] h2`)?.focus();
}

// ---------------------------------------------------------------- key and code

async function make() {
  const { id, name, unit, token, pin } = custodian;
  const reading = await newReadingPair();
  const code = await newRecoveryCode();
  const made = { v: 2, unit, id, name, reading: reading.point };
  CUSTODIAN(made, "custodian");
  const box = await wrapCustodian(await custodianKey(await codeSecret(code)), made, reading.pkcs8);
  Object.assign(custodian, { code, fingerprint: await custodianFingerprint(made), posted: { token, custodian: made, box } });
  const where = `${location.origin}/console/recovery#u=${pin}`;
  const lines = { who: name, unit: await unitFingerprint(unit), code, where, "own-fingerprint": custodian.fingerprint };
  for (const [place, value] of Object.entries(lines)) $("#paper-" + place).textContent = value;
  offerDownload($("#download"), paperText());
  showStep("code");
}

// What the sheet of paper shows, as a file.
function paperText() {
  const lines = [...document.querySelectorAll("#paper > *")].map((line) => line.textContent.replace(/\s+/g, " ").trim());
  return lines.join("\n\n").replace(custodian.code, custodian.code.match(/.{1,20}/g).join("\n")) + "\n";
}

// Asks for two groups of the code: one that is on no paper would be lost with the tab.
function askForTwoGroups() {
  const drawn = random(2);
  const first = drawn[0] % GROUPS;
  const second = (first + 1 + (drawn[1] % (GROUPS - 1))) % GROUPS;
  custodian.asked = [first, second].sort((a, b) => a - b);
  custodian.asked.forEach((index, field) => {
    $(`#check-label-${field}`).textContent = phrase("group_number", {
      line: Math.floor(index / IN_A_LINE) + 1,
      number: (index % IN_A_LINE) + 1,
    });
    $(`#check-${field}`).value = "";
  });
  showMessage($("#check-says"));
  showStep("check");
  $("#check-0").focus();
}

const plain = (typed) => typed.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");

async function check() {
  const groups = custodian.code.split("-");
  const isRight = custodian.asked.every((index, field) => plain($(`#check-${field}`).value) === groups[index]);
  if (!isRight) throw new UserError("groups_differ");
  const { status, body } = await post("/console/custodian", custodian.posted);
  if (status === 409) throw new UserError(body?.error === "token" ? "custodian_spent" : "custodian_keys");
  if (status !== 201) throw new UserError("failed");
  history.replaceState(null, "", location.pathname + location.search);
  $("#own-fingerprint").textContent = custodian.fingerprint;
  custodian = null;
  $("#paper-code").replaceChildren();
  URL.revokeObjectURL($("#download").href);
  showStep("done");
}
