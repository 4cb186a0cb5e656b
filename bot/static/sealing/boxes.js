// What stands encrypted on the server for one person: the asker's and the officer's keys, and how words open them.
// Keys of boxes are CryptoKeys; a box is { iv, body }.

import { bound, canonical, decode, digest, encode, readBytes, utf8 } from "./canonical.js";
import { Altered } from "./errors.js";
import * as fields from "./fields.js";
import { sign, verify } from "./signatures.js";

const ROUNDS = 600000; // of PBKDF2
export const VERSION = fields.number(1, 10000000);

const IDENTITY = { v: fields.exactly(2), id: fields.identifier };
const PAIR = { reading: fields.privateKey, signing: fields.privateKey };
export const ASKER_BOX = fields.record({
  v: fields.exactly(2),
  case: fields.identifier,
  ...PAIR,
  unit: fields.point,
  list: fields.PIN,
  first: fields.hashed,
  seen: fields.record({ seq: fields.number(1, fields.LETTERS), hash: fields.hashed }),
  version: VERSION,
});
export const OFFICER_BOX = fields.record({ ...IDENTITY, ...PAIR, notebook: fields.coded(32), unit: fields.point });

// ---------------------------------------------------------------- words

export const normalise = (words) =>
  words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/[^a-z]+/).filter(Boolean).join(" ");

export async function stretch(words, salt, rounds = ROUNDS) {
  const key = await crypto.subtle.importKey("raw", utf8(normalise(words)), "PBKDF2", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds }, key, 256);
  return crypto.subtle.importKey("raw", bits, "HKDF", false, ["deriveBits", "deriveKey"]);
}

export const askerSecret = (words, rounds = ROUNDS) => stretch(words, utf8("integra/2/asker"), rounds);

const hkdf = (name) => ({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8("integra/2/" + name) });

// Names: locator and auth, which the server is given, and asker-wrap, wrap and recovery, which are keys of boxes.
export const derive = async (secret, name) => new Uint8Array(await crypto.subtle.deriveBits(hkdf(name), secret, 256));
export const deriveKey = (secret, name) =>
  crypto.subtle.deriveKey(hkdf(name), secret, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
export const boxKey = (raw) => crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);

// ---------------------------------------------------------------- boxes

// `iv` is given in tests only.
export async function encrypt(key, plain, aad, iv = crypto.getRandomValues(new Uint8Array(12))) {
  const body = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: aad }, key, plain);
  return { iv: encode(iv), body: encode(new Uint8Array(body)) };
}

export async function decrypt(key, box, aad, what) {
  fields.BOX(box, what);
  const algorithm = { name: "AES-GCM", iv: decode(box.iv), additionalData: aad };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, decode(box.body)));
  } catch {
    throw new Altered(what);
  }
}

export const boxHash = (box) => digest("box", box);

async function open(key, box, aad, what, check) {
  const value = readBytes(await decrypt(key, box, aad, what));
  check(value, what);
  return value;
}

function seal(key, value, aad, what, check, iv) {
  check(value, what);
  return encrypt(key, utf8(canonical(value)), aad, iv);
}

const askerAad = (id, version) => bound("asker", { case: id, version });
const officerAad = (id, wrap) => bound("bundle", { id, wrap });

export async function wrapAsker(key, asker, iv) {
  return seal(key, asker, askerAad(asker.case, asker.version), "asker", ASKER_BOX, iv);
}

export async function unwrapAsker(key, box, id, version) {
  const asker = await open(key, box, askerAad(id, version), "asker", ASKER_BOX);
  if (asker.case !== id || asker.version !== version) throw new Altered("asker");
  return asker;
}

// The asker's yes to a new version of the box; the server stores none without it.
export async function signBundle(privateKey, id, version, box) {
  return sign(privateKey, "bundle", { case: id, version, hash: await boxHash(box) });
}

export async function verifyBundle(signing, signature, id, version, box) {
  await verify(signing, signature, "bundle", { case: id, version, hash: await boxHash(box) }, "bundle.signature");
}

// `wrap` is "words" or "code".
export async function wrapOfficer(key, officer, wrap, iv) {
  return seal(key, officer, officerAad(officer.id, wrap), "officer", OFFICER_BOX, iv);
}

export async function unwrapOfficer(key, box, id, wrap) {
  const officer = await open(key, box, officerAad(id, wrap), "officer", OFFICER_BOX);
  if (officer.id !== id) throw new Altered("officer");
  return officer;
}
