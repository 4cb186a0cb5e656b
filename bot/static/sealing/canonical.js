// Canonical JSON, the bytes that are signed, hashed and bound, and base64url with one spelling.

import { b64, concat, sha256, text, utf8 } from "./encoding.js";
import { Malformed } from "./errors.js";

const PREFIX = "integra/2/";
const DEEPEST = 16; // arrays and objects inside each other

export const encode = b64;

export function decode(encoded, where = "base64url") {
  try {
    const raw = atob(encoded.replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = Uint8Array.from(raw, (character) => character.charCodeAt(0));
    if (b64(bytes) === encoded) return bytes;
  } catch {
    // thrown below
  }
  throw new Malformed(where);
}

// C: sorted ASCII keys, no spaces, integers below 2^53, no lone surrogates.
export function canonical(value, depth = DEEPEST) {
  if (value === null || typeof value === "boolean") return String(value);
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value === "string" && !/\p{Cs}/u.test(value)) return JSON.stringify(value);
  if (depth && Array.isArray(value)) return "[" + value.map((item) => canonical(item, depth - 1)).join(",") + "]";
  if (depth && typeof value === "object" && !Array.isArray(value)) {
    const keys = Object.keys(value).sort();
    if (keys.every((key) => /^[\0-\x7f]*$/.test(key))) {
      return "{" + keys.map((key) => JSON.stringify(key) + ":" + canonical(value[key], depth - 1)).join(",") + "}";
    }
  }
  throw new Malformed("json");
}

export function read(string) {
  let value;
  try {
    value = JSON.parse(string);
  } catch {
    throw new Malformed("json");
  }
  if (canonical(value) !== string) throw new Malformed("json");
  return value;
}

export function readBytes(bytes) {
  let string;
  try {
    string = text(bytes);
  } catch {
    throw new Malformed("json");
  }
  return read(string);
}

export const prefixed = (label) => utf8(PREFIX + label + "\n");
export const bound = (label, value) => utf8(PREFIX + label + "\n" + canonical(value)); // T
export const digest = async (label, value) => b64(await sha256(bound(label, value))); // hash
export { concat, sha256, utf8 };
