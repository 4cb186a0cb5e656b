// The letterbox's entry script: texts are sealed before they leave this browser, for the readers that the server lists.

import * as sealing from "../sealing/sealing.js";
import { $, request, setLanguage, show, showAltered } from "./page.js";
import * as thread from "./thread.js";
import * as write from "./write.js";

// Reads the link's data from the fragment, which browsers do not send: #t=<token>&a=<answers>&l=<language>
function linkData() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const matching = (name, pattern) => (pattern.test(fragment.get(name) || "") ? fragment.get(name) : "");
  return {
    token: matching("t", /^[\w-]{32}$/),
    answers: matching("a", /^[ynu-]{14}$/),
    language: matching("l", /^(es|en)$/) || (navigator.language.startsWith("en") ? "en" : "es"),
  };
}

async function begin() {
  const link = linkData();
  setLanguage(link.language);
  if (!sealing.supported()) return show("unsupported");
  if (!link.token) return show("start");
  show("loading");
  const keys = await request("/c/keys");
  if (keys.status === 404) return show("closed");
  if (keys.status !== 200) return show("offline");
  try {
    await write.begin(link, keys.content);
  } catch {
    return showAltered("keys");
  }
  return show("write");
}

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => setLanguage(button.dataset.choose));
}
$("languages").hidden = false;
$("retry").addEventListener("click", begin);
// A link pasted into an open page starts it again, unless there is unsent text or its words are still on the screen.
addEventListener("hashchange", () => write.hasUnfinishedWork() || begin());
addEventListener("beforeunload", (event) => (write.hasUnfinishedWork() || thread.hasUnsavedText()) && event.preventDefault());
write.addListeners();
thread.addListeners();
begin();
