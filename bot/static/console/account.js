// The officer's own account: new words, a new recovery code, signing out on all devices. The present words open the box
// whose keys are sealed again; until the server has stored the new box, the present words and code stay valid.

import { boxHash, unwrapOfficer } from "../sealing/boxes.js";
import { Altered } from "../sealing/errors.js";
import { supported } from "../sealing/words.js";
import { forgetShown, offerCode, offerWords, save, sealWithCode, sealWithWords, showStep } from "./credentials.js";
import { $, busy, main, post, showMessage, UserError, verifying, whileHere } from "./page.js";
import { lock, officerSecrets } from "./vault.js";

export function wire() {
  if (!supported()) return showMessage($("#says"), "insecure");
  wireForm("#open-words", async (opened) => offerWords((words) => saveWords(opened, words)));
  wireForm("#open-code", (opened) => offerCode($("#who").textContent, (code) => saveCode(opened, code)));
  $("#everywhere").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.target, $("#everywhere-says"), signOutEverywhere);
  });
}

document.addEventListener("console:locked", () => {
  if (main().dataset.page !== "account") return;
  forgetShown();
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

// Checks the present words at the server and opens the box that they wrap.
async function open(words) {
  const { email, officer: id, keys } = main().dataset;
  const begun = await post("/console/signin/begin", { email });
  if (begun.status !== 200) throw new UserError("failed");
  const { auth, wrap } = await officerSecrets(words, begun.body.salt);
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
  if (answer) main().dataset.csrf = answer.body.csrf;
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

async function signOutEverywhere() {
  const { status } = await post("/console/account/signout", {});
  if (status !== 204) throw new UserError("failed");
  lock();
  location.assign("/console/signin"); // a full load: nothing stays in the tab's memory
}
