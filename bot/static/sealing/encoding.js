// Bytes and text: b64, unb64, hex, utf8, text, concat, random, canonical, sha256, Altered.

export class Altered extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (words) => encoder.encode(words);
export const text = (bytes) => decoder.decode(bytes);
export const random = (size) => crypto.getRandomValues(new Uint8Array(size));
export const hex = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");

// Base64url without padding; any other spelling of the same bytes is refused.
export function b64(bytes) {
  let raw = "";
  for (const one of bytes) raw += String.fromCharCode(one);
  return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function unb64(words) {
  try {
    const raw = atob(words.replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = Uint8Array.from(raw, (one) => one.charCodeAt(0));
    if (b64(bytes) === words) return bytes;
  } catch {
    // told below
  }
  throw new Altered("base64url");
}

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

// The one spelling of a JSON value that is signed, hashed and bound.
export function canonical(value) {
  if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
  if (value !== null && typeof value === "object") {
    const pairs = Object.keys(value).sort().map((key) => JSON.stringify(key) + ":" + canonical(value[key]));
    return "{" + pairs.join(",") + "}";
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new TypeError("integers only");
  return JSON.stringify(value);
}

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
