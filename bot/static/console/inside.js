// In a window of another application the console says so, and takes no words there: the application could read them.

import { insideApp } from "../sealing/words.js";
import { $, show, showMessage } from "./page.js";

// Returns whether the page is to be left alone: its forms send nothing, also not by the browser itself.
export function refuseInside() {
  if (!insideApp()) return false;
  $("#inside-address").value = location.href;
  for (const field of document.querySelectorAll("#page button, #page input, #page textarea, #page select")) {
    field.disabled = true;
  }
  show($("#page"), false);
  show($("#inside"), true);
  return true;
}

// Where copying is refused the address stays selected, to be copied by hand.
export function copyAddress() {
  $("#inside-address").select();
  showMessage($("#inside-copied"), document.execCommand("copy") ? "inside_copied" : "");
}
