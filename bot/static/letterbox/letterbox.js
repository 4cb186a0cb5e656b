// The letterbox's entry script: texts are sealed before they leave this browser, for the readers that the unit signed.

import { insideApp, supported } from "../sealing/words.js";
import { $, request, setLanguage, show, showAltered, showClosed, showPhrase } from "./page.js";
import * as thread from "./thread.js";
import { expectUnit } from "./trust.js";
import * as write from "./write.js";

// Reads the link's data from the fragment, which browsers do not send: #t=<token>&u=<pin>&a=<answers>&l=<language>
function linkData() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const matching = (name, pattern) => (pattern.test(fragment.get(name) || "") ? fragment.get(name) : "");
  return {
    token: matching("t", /^[\w-]{32}$/),
    unit: fragment.get("u") || "",
    answers: matching("a", /^[ynu-]{14}$/),
    language: matching("l", /^(es|en)$/) || (navigator.language.startsWith("en") ? "en" : "es"),
  };
}

async function begin() {
  const link = linkData();
  show("loading");
  await setLanguage(link.language);
  if (insideApp()) {
    $("address").value = location.href;
    return show("inside");
  }
  if (!supported()) return show("unsupported");
  expectUnit(link.unit);
  if (!link.token) return show("start");
  const keys = await request("/c/keys");
  if (keys.status === 404) return showClosed(keys.content.reason);
  if (keys.status !== 200) return show("offline");
  try {
    await write.begin(link, keys.content.list);
  } catch (error) {
    return showRefusal(error);
  }
  return show("write");
}

// Why nothing is written to these readers: each kind of error of a list has its own words.
function showRefusal({ kind, reason }) {
  if (kind === "clock") return show("clock");
  if (kind === "expired") return showClosed("expired");
  if (kind === "refused") return showClosed(reason);
  return showAltered("keys");
}

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => setLanguage(button.dataset.choose));
}
// Where copying is refused the address stays selected, to be copied by hand.
$("copy").addEventListener("click", () => {
  $("address").select();
  showPhrase("copied", document.execCommand("copy") ? "inside_copied" : "");
});
$("languages").hidden = false;
for (const button of document.querySelectorAll("[data-retry]")) button.addEventListener("click", begin);
// A link pasted into an open page starts it again, unless something is unsent or its words are still on the screen.
const hasUnfinishedWork = () => write.hasUnfinishedWork() || thread.hasUnfinishedWork();
addEventListener("hashchange", () => hasUnfinishedWork() || begin());
addEventListener("beforeunload", (event) => hasUnfinishedWork() && event.preventDefault());
write.addListeners();
thread.addListeners();
begin();
