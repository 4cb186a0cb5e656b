// What the server refuses of a second factor, as the phrases that say so.

import { UserError } from "./page.js";

const PHRASES = {
  factor_wrong: "wrong_totp",
  factor_used: "used_totp",
  factor_last: "last_factor",
  factor_many: "many_factors",
  factor_gone: "factor_gone",
  code: "wrong_recovery",
};

// Throws what a response says of a factor; anything else is left to the caller.
export function checkFactor(body) {
  const key = PHRASES[body?.error];
  if (key) throw new UserError(key);
}
