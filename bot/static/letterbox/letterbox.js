// The letterbox: seals in this browser whatever leaves it, and opens here whatever comes back.

import * as sealing from "../sealing/sealing.js";
import { $, altered, request, show, speak } from "./page.js";
import * as thread from "./thread.js";
import * as write from "./write.js";

// What the link carries stands behind the #, which browsers do not send: #t=<token>&a=<answers>&l=<language>
function carried() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const fitting = (name, form) => (form.test(fragment.get(name) || "") ? fragment.get(name) : "");
  return {
    token: fitting("t", /^[\w-]{32}$/),
    answers: fitting("a", /^[ynu-]{14}$/),
    language: fitting("l", /^(es|en)$/) || (navigator.language.startsWith("en") ? "en" : "es"),
  };
}

async function begin() {
  const link = carried();
  speak(link.language);
  if (!sealing.supported()) return show("unsupported");
  if (!link.token) return show("start");
  show("loading");
  const keys = await request("/c/keys");
  if (keys.status === 404) return show("closed");
  if (keys.status !== 200) return show("offline");
  try {
    await write.begin(link, keys.content);
  } catch {
    return altered("keys");
  }
  return show("write");
}

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => speak(button.dataset.choose));
}
$("languages").hidden = false;
$("retry").addEventListener("click", begin);
// A link pasted over an open page; while something is written or its words are on the screen, the page stays.
addEventListener("hashchange", () => write.isKept() || begin());
addEventListener("beforeunload", (event) => (write.isKept() || thread.isKept()) && event.preventDefault());
write.listen();
thread.listen();
begin();
