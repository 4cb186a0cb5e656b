// Bytes and text: b64, unb64, hex, utf8, text, concat, random, canonical, sha256, Altered.

export class Altered extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (string) => encoder.encode(string);
export const text = (bytes) => decoder.decode(bytes);
export const random = (size) => crypto.getRandomValues(new Uint8Array(size));
export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Base64url without padding; unb64 refuses any other encoding of the same bytes.
export function b64(bytes) {
  let raw = "";
  for (const byte of bytes) raw += String.fromCharCode(byte);
  return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function unb64(encoded) {
  try {
    const raw = atob(encoded.replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = Uint8Array.from(raw, (character) => character.charCodeAt(0));
    if (b64(bytes) === encoded) return bytes;
  } catch {
    // thrown below
  }
  throw new Altered("base64url");
}

export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

// The canonical JSON of a value, which is signed, hashed and authenticated: sorted keys, no spaces, integers only.
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
