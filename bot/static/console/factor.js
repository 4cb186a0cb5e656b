// The second factor: asked for at sign-in besides the words, and made by scanning a picture with an app.

import { codeSecrets, showStep } from "./credentials.js";
import { $, busy, phrase, readable, show, showMessage, UserError, verifying } from "./page.js";

const DIGITS = 6;
const SVG = "http://www.w3.org/2000/svg";
// Six digits, however an app groups them.
function digits(text) {
  const code = text.replace(/\s/g, "");
  if (code.length !== DIGITS || /\D/.test(code)) throw new UserError("totp_digits");
  return code;
}

// ---------------------------------------------------------------- shown

// What is posted besides the words: nothing, until the server has asked and the fields of the form are shown.
export async function shownIn(form) {
  const fields = $("[data-factor]", form);
  if (fields.hidden) return {};
  const [code, recovery] = [$("[data-code]", fields), $("[data-recovery]", fields)];
  if (!recovery?.value.trim()) return { totp: digits(code.value) };
  const { auth } = await verifying("mistyped_code", () => codeSecrets(recovery.value));
  return { code_auth: auth };
}

// The words were right: shows the fields for the code, which the officer fills in the same form.
export function askIn(form) {
  const fields = $("[data-factor]", form);
  show(fields, true);
  $("[data-code]", fields).focus();
  showMessage($("[data-asks]", fields), "factor_asked");
}

export function forgetShownIn(form) {
  const fields = $("[data-factor]", form);
  show(fields, false);
  for (const input of fields.querySelectorAll("input")) input.value = "";
}

// A code is of use once: the next one is typed into an empty field.
export function clearCode(form) {
  const code = $("[data-code]", form);
  code.value = "";
  code.focus();
}

// ---------------------------------------------------------------- made

// Shows a secret that the server offers, and runs `next` with it and the code that the officer's app makes of it.
export function offerFactor({ secret, address, picture, ticket }, next, resetOn = null) {
  $("#factor-picture").replaceChildren(drawn(picture));
  $("#factor-secret").textContent = secret.match(/.{1,4}/g).join(" ");
  $("#factor-address").href = address;
  show($("#factor-reset"), Boolean(resetOn));
  $("#factor-reset").textContent = resetOn ? phrase("factor_reset", { day: readable(resetOn) }) : "";
  const form = $("#new-factor");
  form.reset();
  form.onsubmit = (event) => {
    event.preventDefault();
    busy(form, $("#new-factor-says"), async () => {
      await next({ ticket, code: digits($("#new-factor-code").value) });
      forgetOffer();
    });
  };
  showStep("factor");
}

// Takes the secret off the page.
export function forgetOffer() {
  for (const secret of ["#factor-picture", "#factor-secret"]) $(secret)?.replaceChildren();
  $("#factor-address")?.removeAttribute("href");
}

function drawn({ size, path }) {
  const picture = document.createElementNS(SVG, "svg");
  const dark = document.createElementNS(SVG, "path");
  picture.setAttribute("viewBox", `0 0 ${size} ${size}`);
  picture.setAttribute("shape-rendering", "crispEdges");
  picture.setAttribute("aria-hidden", "true");
  dark.setAttribute("d", path);
  picture.append(dark);
  return picture;
}
