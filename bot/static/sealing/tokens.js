// Names of rows that join nothing, of one-time links and of addresses that are notified; what binds a session's row.
// A page needs `bell` only; the others are the server's, and stand here so that both twins read the same vectors.

import { concat, decode, encode, prefixed, sha256, utf8 } from "./canonical.js";

async function keyed(key, ...parts) {
  const secret = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return encode(new Uint8Array(await crypto.subtle.sign("HMAC", secret, concat(...parts))));
}

export const bell = async (token) => encode(await sha256(concat(prefixed("bell"), token)));
export const entryRow = (routeKey, token) => keyed(routeKey, utf8("enter\n"), token);
export const routeRow = (routeKey, bellOfCase) => keyed(routeKey, utf8("bell\n"), decode(bellOfCase, "bell"));
export const sessionMac = (secret, token, officer, ends, secondFactor) =>
  keyed(secret, utf8("session\n"), token, utf8(`${officer}${ends}\n${secondFactor}`));
