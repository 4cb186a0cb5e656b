// ECDSA signatures over labelled canonical JSON, as r and s of 32 bytes each, and the pairs of keys that make them.
// Both (r, s) and (r, n - s) verify: nothing that is hashed, unique or compared covers a letter's signature.

import { bound, concat, decode, encode } from "./canonical.js";
import { Altered, Malformed } from "./errors.js";
import { signature as format } from "./fields.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const ECDH = { name: "ECDH", namedCurve: "P-256" };
const SHA = { name: "ECDSA", hash: "SHA-256" };
const imported = new Map();

export async function sign(privateKey, label, value) {
  return encode(new Uint8Array(await crypto.subtle.sign(SHA, privateKey, bound(label, value))));
}

export async function verify(point, signature, label, value, what) {
  format(signature, what);
  const [raw, message] = [decode(point), bound(label, value)];
  let isValid = false;
  try {
    if (!imported.has(point)) {
      imported.set(point, await crypto.subtle.importKey("raw", raw, ECDSA, false, ["verify"]));
    }
    isValid = await crypto.subtle.verify(SHA, imported.get(point), decode(signature), message);
  } catch {
    // no key, or not one of this curve: thrown below
  }
  if (!isValid) throw new Altered(what);
}

// ---------------------------------------------------------------- pairs: { point, privateKey } and, when new, pkcs8

async function importPair(pkcs8, algorithm, uses, where) {
  const raw = decode(pkcs8, where);
  try {
    const { x, y } = await crypto.subtle.exportKey("jwk", await crypto.subtle.importKey("pkcs8", raw, algorithm, true, uses));
    const privateKey = await crypto.subtle.importKey("pkcs8", raw, algorithm, false, uses);
    return { point: encode(concat([4], decode(x), decode(y))), privateKey };
  } catch {
    throw new Malformed(where);
  }
}

async function newPair(algorithm, uses) {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, uses);
  const pkcs8 = encode(new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey)));
  return { ...(await importPair(pkcs8, algorithm, uses, "key")), pkcs8 };
}

export const newSigningPair = () => newPair(ECDSA, ["sign"]);
export const newReadingPair = () => newPair(ECDH, ["deriveBits"]);
export const importSigningKey = (pkcs8, where = "key") => importPair(pkcs8, ECDSA, ["sign"], where);
export const importReadingKey = (pkcs8, where = "key") => importPair(pkcs8, ECDH, ["deriveBits"], where);
