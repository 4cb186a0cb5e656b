// Lost words: the recovery code opens the officer's keys once, which are then sealed with new words and a new code. A new
// second factor is made too, as who has the code may have nothing else any more.

import { unwrapOfficer } from "../sealing/boxes.js";
import { supported } from "../sealing/words.js";
import { codeSecrets, forgetShown, offerCode, offerWords, save, sealWithCode, sealWithWords, showStep } from "./credentials.js";
import { offerFactor } from "./factor.js";
import { $, busy, post, showMessage, UserError, verifying } from "./page.js";
import { checkFactor } from "./refusals.js";
import { lock } from "./vault.js";

export function wire() {
  const form = $("#lost");
  lock(); // keys that are still in memory belong to a session that the new words will end
  if (!supported()) {
    showMessage($("#lost-says"), "insecure");
    $("button", form).disabled = true;
    return;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, $("#lost-says"), async () => {
      const opened = await open($("#email").value.trim(), $("#code").value);
      form.reset();
      offerWords((words) => offerCode(opened.email, (code) => saveWith(opened, words, code)));
    });
  });
}

async function open(email, code) {
  const { auth, wrap } = await verifying("mistyped_code", () => codeSecrets(code));
  const { status, body } = await post("/console/lost/begin", { email, code_auth: auth });
  if (status !== 200) throw new UserError(body?.error === "lost" ? "wrong_code" : "failed");
  const officer = await verifying("altered_recovery", () => unwrapOfficer(wrap, body.recovery_bundle, body.id, "code"));
  return { email, auth, officer, offer: body.offer };
}

async function saveWith(opened, words, code) {
  if (opened.offer) offerFactor(opened.offer, (enrolment) => saveAll(opened, words, code, enrolment));
  else await saveAll(opened, words, code);
}

async function saveAll({ email, auth, officer }, words, code, enrolment) {
  const [byWords, byCode] = [await sealWithWords(words, officer), await sealWithCode(code, officer)];
  const secrets = { new_code_auth: byCode.auth, recovery_bundle: byCode.bundle };
  const answer = await save("/console/lost", { email, code_auth: auth, ...byWords, ...secrets, enrolment });
  checkFactor(answer?.body);
  if (answer?.status === 403) throw new UserError("spent_code");
  if (answer && answer.status !== 201) throw new UserError("failed");
  forgetShown();
  showStep(answer ? "saved" : "unsure");
}
