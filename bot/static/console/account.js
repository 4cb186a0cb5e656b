// The officer's own account: new words, a new recovery code, second factors, signing out on all devices. The present words
// open the box whose keys are sealed again; until the server has stored the new box, the present words and code stay
// valid.

import { boxHash, unwrapOfficer } from "../sealing/boxes.js";
import { Altered } from "../sealing/errors.js";
import { supported } from "../sealing/words.js";
import { forgetShown, offerCode, offerWords, save, sealWithCode, sealWithWords, showStep } from "./credentials.js";
import { forgetOffer, offerFactor } from "./factor.js";
import { $, busy, main, post, showMessage, UserError, verifying, whileHere } from "./page.js";
import { checkFactor } from "./refusals.js";
import { tellSignedOut } from "./tabs.js";
import { lock, officerSecrets } from "./vault.js";

export function wire() {
  if (!supported()) return showMessage($("#says"), "insecure");
  wireForm("#open-words", async (opened) => offerWords((words) => saveWords(opened, words)));
  wireForm("#open-code", (opened) => offerCode($("#who").textContent, (code) => saveCode(opened, code)));
  wireFactors();
  $("#everywhere").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.target, $("#everywhere-says"), signOutEverywhere);
  });
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page !== "account") return;
  forgetShown();
  forgetOffer();
  showStep("choose");
});

function wireForm(selector, next) {
  const form = $(selector);
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, $(".says", form), async () => {
      const opened = await whileHere(() => open($("input", form).value));
      form.reset();
      await next(opened);
    });
  });
}

async function presentSecrets(words) {
  const begun = await post("/console/signin/begin", { email: main().dataset.email });
  if (begun.status !== 200) throw new UserError("failed");
  return officerSecrets(words, begun.body.salt);
}

// Checks the present words at the server and opens the box that they wrap.
async function open(words) {
  const { officer: id, keys } = main().dataset;
  const { auth, wrap } = await presentSecrets(words);
  const { status, body } = await post("/console/account/open", { auth });
  if (status !== 200) throw new UserError(body?.error === "words" ? "wrong_present" : "failed");
  if (!keys) return { auth, officer: null };
  return verifying("altered_bundle", async () => {
    if (!body.bundle || !body.recovery_bundle) throw new Altered("officer");
    const officer = await unwrapOfficer(wrap, body.bundle, id, "words");
    return { auth, officer, replaces: await boxHash(body.recovery_bundle) };
  });
}

async function saveWords({ auth, officer }, words) {
  const { salt, auth: newAuth, bundle } = await sealWithWords(words, officer);
  const answer = await save("/console/account/words", { auth, salt, new_auth: newAuth, bundle });
  if (answer?.status === 401 || answer?.status === 403) throw new UserError("words_meanwhile");
  if (answer && answer.status !== 201) throw new UserError("failed");
  forgetShown();
  showStep(answer ? "words-saved" : "words-unsure");
}

async function saveCode({ auth, officer, replaces }, code) {
  const { auth: codeAuth, bundle } = await sealWithCode(code, officer);
  const answer = await save("/console/account/code", { auth, replaces, code_auth: codeAuth, recovery_bundle: bundle });
  if ([401, 403, 409].includes(answer?.status)) throw new UserError("code_meanwhile");
  if (answer && answer.status !== 201) throw new UserError("failed");
  forgetShown();
  showStep(answer ? "code-saved" : "code-unsure");
}

// ---------------------------------------------------------------- second factors

// With the present words another factor is added, or the chosen one removed.
function wireFactors() {
  const form = $("#open-factor");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, $(".says", form), async () => {
      const { auth } = await presentSecrets($("#present-3").value);
      const id = $("input[name=factor]:checked", form)?.value;
      if (id) await removeFactor(auth, id);
      else await addFactor(auth);
      form.reset();
    });
  });
}

async function addFactor(auth) {
  const { offer } = await changed("/console/account/factors/begin", { auth }, 200);
  offerFactor(offer, async (enrolment) => {
    await changed("/console/account/factors", { auth, enrolment }, 201);
    showStep("factor-added");
  });
}

async function removeFactor(auth, id) {
  await changed("/console/account/factors/remove", { auth, id }, 201);
  showStep("factor-removed");
}

async function changed(path, posted, expected) {
  const { status, body } = await post(path, posted);
  checkFactor(body);
  if (status !== expected) throw new UserError(body?.error === "words" ? "wrong_present" : "failed");
  return body;
}

async function signOutEverywhere() {
  const { status } = await post("/console/account/signout", {});
  if (status !== 204) throw new UserError("failed");
  tellSignedOut();
  lock();
  location.assign("/console/signin"); // a full load: nothing stays in the tab's memory
}
