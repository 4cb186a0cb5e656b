// Suite 1 of the confidential wire protocol in the browser; storage/confidential/sealing.py is its counterpart.
// Data that does not verify throws Altered. Public keys, ids, sealed keys are base64url; secrets are CryptoKeys or bytes.
//
// supported()                                      whether this page can seal at all (https or loopback)
// newId() newSalt() newCaseKey()                   16 bytes b64, 16 bytes b64, 32 bytes
// newReadingKey() newSigningKey()                  { publicKey: b64, privateKey: CryptoKey, pkcs8: b64 (to be wrapped) }
// importReadingKey(pkcs8) importSigningKey(pkcs8)  { publicKey: b64, privateKey: CryptoKey, not extractable }
// sign(privateKey, text)  verify(publicKey, signature, text)    verify throws Altered
// wordList(file) drawWords(list, count) normalise(words)        words of the list as shown; drawWords returns an array
// askerSecrets(words)                              { locator: b64, wrappingKey }
// officerSecrets(words, salt)                      { auth: b64, wrappingKey }
// newRecoveryCode() recoverySecret(code)           "ABCD-EFGH-…" (256 bits) / wrappingKey; a mistyped code throws Altered
// wrap(key, value, aad) unwrap(key, box, aad)      { iv, body } of canonical JSON
// wrapAsker(key, caseId, { reading, unit, first })  unwrapAsker(key, caseId, box); first: letterHash of the first letter
// wrapBundle(key, officerId, { reading, signing }) unwrapBundle(key, officerId, box)
//   the recovery bundle is the same with the key of recoverySecret(code)
// wrapUnit(key, officerId, pkcs8)                  unwrapUnit(key, officerId, box)
// recoveryFile(code, officerId, { reading, unit }) openRecoveryFile(code, file): the recovery reader's pkcs8, the unit's pkcs8
// keysBody({ serial, day, unit, readers })         canonical text; readers: { id, name, role, reading, signing }
// signKeys(unitPrivateKey, body)                   { body, signature }
// verifyKeys({ body, signature }, unit = "")       the parsed list; with `unit`, only a list of that unit is accepted
// fingerprint(unit)                                "1a2b 3c4d …", six groups
// sealAccess(caseKey, reading, { case, epoch, reader })  openAccess(keys, sealed, { case, epoch, reader })
// sealLetter(caseKey, { case, epoch, seq, author, day, previous }, content, signer = { id, privateKey } or null)
// openLetter(caseKey, letter, keyList)             content; an officer's signature is checked against the key list
// letterHash(letter)                               the value of `previous` in the next letter
// openThread(caseId, caseKeys by epoch, letters, keyList)   [{ letter, content, author, signer: reader or null }]

import { Altered, b64, canonical, concat, hex, random, sha256, text, unb64, utf8 } from "./encoding.js";
import * as hpke from "./hpke.js";

export { Altered };

const ECDH = { name: "ECDH", namedCurve: "P-256" };
const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };
const STEP = 1024; // bytes; padded sizes are multiples of it
const MAX_SIZE = 32 * STEP;
const ROUNDS = 600000; // of PBKDF2
const CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"; // no I, L, O, U: they are misread

export const supported = () => Boolean(globalThis.isSecureContext && globalThis.crypto?.subtle);
export const newId = () => b64(random(16));
export const newSalt = newId;
export const newCaseKey = () => random(32);

// ---------------------------------------------------------------- key pairs

async function newPair(algorithm, uses) {
  const pair = await crypto.subtle.generateKey(algorithm, true, uses);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  return importPair(b64(pkcs8), algorithm, uses);
}

async function importPair(pkcs8, algorithm, uses) {
  try {
    const raw = unb64(pkcs8);
    const { x, y } = await crypto.subtle.exportKey("jwk", await crypto.subtle.importKey("pkcs8", raw, algorithm, true, uses));
    const privateKey = await crypto.subtle.importKey("pkcs8", raw, algorithm, false, uses);
    return { publicKey: b64(concat([4], unb64(x), unb64(y))), privateKey, pkcs8 };
  } catch {
    throw new Altered("key");
  }
}

const withoutPkcs8 = ({ publicKey, privateKey }) => ({ publicKey, privateKey });

export const newReadingKey = () => newPair(ECDH, ["deriveBits"]);
export const newSigningKey = () => newPair(ECDSA, ["sign"]);
export const importReadingKey = async (pkcs8) => withoutPkcs8(await importPair(pkcs8, ECDH, ["deriveBits"]));
export const importSigningKey = async (pkcs8) => withoutPkcs8(await importPair(pkcs8, ECDSA, ["sign"]));

export async function sign(privateKey, message) {
  return b64(new Uint8Array(await crypto.subtle.sign(SIGNATURE, privateKey, utf8(message))));
}

export async function verify(publicKey, signature, message) {
  let isValid = false;
  try {
    const key = await crypto.subtle.importKey("raw", unb64(publicKey), ECDSA, false, ["verify"]);
    isValid = await crypto.subtle.verify(SIGNATURE, key, unb64(signature), utf8(message));
  } catch {
    // thrown below
  }
  if (!isValid) throw new Altered("signature");
}

// ---------------------------------------------------------------- words and codes

export const wordList = (file) => file.normalize("NFC").split(/\s+/).filter(Boolean);

export function drawWords(list, count) {
  if (list.length !== 2048) throw new Altered("words");
  const drawn = crypto.getRandomValues(new Uint16Array(count)); // no bias: 65,536 is a multiple of 2,048
  return [...drawn].map((number) => list[number % 2048]);
}

export const normalise = (words) =>
  words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/[^a-z]+/).filter(Boolean).join(" ");

async function stretch(words, salt) {
  const key = await crypto.subtle.importKey("raw", utf8(normalise(words)), "PBKDF2", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: ROUNDS }, key, 256);
  return crypto.subtle.importKey("raw", bits, "HKDF", false, ["deriveBits", "deriveKey"]);
}

const hkdf = (info) => ({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(info) });

const wrappingKey = (secret, info) =>
  crypto.subtle.deriveKey(hkdf(info), secret, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);

const derived = async (secret, info) => b64(new Uint8Array(await crypto.subtle.deriveBits(hkdf(info), secret, 256)));

export async function askerSecrets(words) {
  const secret = await stretch(words, utf8("integra/v1/asker"));
  return {
    locator: await derived(secret, "integra/v1/locator"),
    wrappingKey: await wrappingKey(secret, "integra/v1/asker-wrap"),
  };
}

export async function officerSecrets(words, salt) {
  const secret = await stretch(words, unb64(salt));
  return {
    auth: await derived(secret, "integra/v1/auth"),
    wrappingKey: await wrappingKey(secret, "integra/v1/wrap"),
  };
}

// 32 random bytes and a check byte of their SHA-256, five bits per letter: 53 letters in groups of four.
export async function newRecoveryCode() {
  const secret = random(32);
  const bits = [...secret, (await sha256(secret))[0]].map((byte) => byte.toString(2).padStart(8, "0")).join("") + "0";
  return bits.match(/.{5}/g).map((group) => CODE_ALPHABET[parseInt(group, 2)]).join("").match(/.{1,4}/g).join("-");
}

export async function recoverySecret(code) {
  const letters = code.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  const bits = [...letters].map((letter) => CODE_ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = Uint8Array.from(bits.match(/[01]{8}/g) || [], (byte) => parseInt(byte, 2));
  const secret = bytes.slice(0, 32);
  if (!/^[01]{265}$/.test(bits) || (await sha256(secret))[0] !== bytes[32]) throw new Altered("code");
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  return wrappingKey(key, "integra/v1/recovery");
}

// ---------------------------------------------------------------- wrapped keys

export async function wrap(key, value, aad) {
  const iv = random(12);
  const algorithm = { name: "AES-GCM", iv, additionalData: utf8(aad) };
  const body = await crypto.subtle.encrypt(algorithm, key, utf8(typeof value === "string" ? value : canonical(value)));
  return { iv: b64(iv), body: b64(new Uint8Array(body)) };
}

async function unwrapText(key, box, aad) {
  try {
    const algorithm = { name: "AES-GCM", iv: unb64(box.iv), additionalData: utf8(aad) };
    return text(new Uint8Array(await crypto.subtle.decrypt(algorithm, key, unb64(box.body))));
  } catch {
    throw new Altered("bundle");
  }
}

export async function unwrap(key, box, aad) {
  return JSON.parse(await unwrapText(key, box, aad));
}

export const wrapAsker = (key, caseId, { reading, unit, first }) =>
  wrap(key, { reading, unit, first }, "integra/v1/asker|" + caseId);
export const unwrapAsker = (key, caseId, box) => unwrap(key, box, "integra/v1/asker|" + caseId);
export const wrapBundle = (key, id, { reading, signing }) => wrap(key, { reading, signing }, "integra/v1/bundle|" + id);
export const unwrapBundle = (key, id, box) => unwrap(key, box, "integra/v1/bundle|" + id);
export const wrapUnit = (key, id, pkcs8) => wrap(key, pkcs8, "integra/v1/unit|" + id);
export const unwrapUnit = (key, id, box) => unwrapText(key, box, "integra/v1/unit|" + id);

export async function recoveryFile(code, officer, { reading, unit }) {
  const box = await wrap(await recoverySecret(code), { reading, unit }, "integra/v1/recovery-file");
  return canonical({ kind: "integra-recovery", v: 1, officer, ...box });
}

export async function openRecoveryFile(code, file) {
  return unwrap(await recoverySecret(code), JSON.parse(file), "integra/v1/recovery-file");
}

// ---------------------------------------------------------------- the signed list of readers

export const keysBody = ({ serial, day, unit, readers }) => canonical({ v: 1, suite: 1, serial, day, unit, readers });

export async function signKeys(unitKey, body) {
  return { body, signature: await sign(unitKey, "integra/v1/keys|" + body) };
}

export async function verifyKeys({ body, signature }, unit = "") {
  let list;
  try {
    list = JSON.parse(body);
    if (canonical(list) !== body || list.v !== 1 || list.suite !== 1 || !Array.isArray(list.readers)) throw 0;
    if (new Set(list.readers.map(({ id }) => id)).size !== list.readers.length) throw 0;
  } catch {
    throw new Altered("keys");
  }
  if (unit && list.unit !== unit) throw new Altered("unit");
  await verify(list.unit, signature, "integra/v1/keys|" + body);
  return list;
}

export async function fingerprint(unit) {
  return hex((await sha256(unb64(unit))).slice(0, 12)).match(/.{4}/g).join(" ");
}

// ---------------------------------------------------------------- case keys and letters

const accessInfo = (context) => utf8("integra/v1/access|" + canonical({ v: 1, suite: 1, ...context }));

export async function sealAccess(caseKey, reading, { case: id, epoch, reader }) {
  return b64(await hpke.seal(unb64(reading), accessInfo({ case: id, epoch, reader }), caseKey));
}

export async function openAccess(keys, sealed, { case: id, epoch, reader }) {
  const pair = { privateKey: keys.privateKey, publicKey: unb64(keys.publicKey) };
  const caseKey = await hpke.open(pair, accessInfo({ case: id, epoch, reader }), unb64(sealed));
  if (caseKey.length !== 32) throw new Altered("access");
  return caseKey;
}

function pad(content, first) {
  const raw = utf8(canonical(content));
  const size = Math.max(Math.ceil((4 + raw.length) / STEP) * STEP, first ? 2 * STEP : STEP);
  if (size > MAX_SIZE) throw new RangeError("text");
  const padded = new Uint8Array(size);
  new DataView(padded.buffer).setUint32(0, raw.length);
  padded.set(raw, 4);
  return padded;
}

function unpad(padded) {
  const end = 4 + new DataView(padded.buffer).getUint32(0);
  if (end > padded.length || padded.slice(end).some(Boolean)) throw new Altered("padding");
  return JSON.parse(text(padded.slice(4, end)));
}

const aesKey = (raw, use) => crypto.subtle.importKey("raw", raw, "AES-GCM", false, [use]);
const boundContext = (context) => "integra/v1/letter|" + canonical(context);

export async function sealLetter(caseKey, context, content, signer = null) {
  const { case: id, epoch, seq, author, day, previous } = context;
  const full = { v: 1, suite: 1, case: id, epoch, seq, author, day, previous };
  const iv = random(12);
  const algorithm = { name: "AES-GCM", iv, additionalData: utf8(boundContext(full)) };
  const sealed = await crypto.subtle.encrypt(algorithm, await aesKey(caseKey, "encrypt"), pad(content, seq === 1));
  const letter = { context: full, iv: b64(iv), body: b64(new Uint8Array(sealed)), signer: "", signature: "" };
  if (signer) {
    letter.signer = signer.id;
    letter.signature = await sign(signer.privateKey, [boundContext(full), letter.iv, letter.body].join("|"));
  }
  return letter;
}

export async function openLetter(caseKey, letter, keyList) {
  const { context, iv, body, signer, signature } = letter;
  if (context.v !== 1 || context.suite !== 1) throw new Altered("suite");
  if (context.author === "officer") {
    const reader = keyList.readers.find(({ id, role }) => id === signer && role === "officer");
    if (!reader) throw new Altered("signer");
    await verify(reader.signing, signature, [boundContext(context), iv, body].join("|"));
  } else if (context.author !== "asker" || signer || signature) {
    throw new Altered("signer");
  }
  try {
    const algorithm = { name: "AES-GCM", iv: unb64(iv), additionalData: utf8(boundContext(context)) };
    const padded = await crypto.subtle.decrypt(algorithm, await aesKey(caseKey, "decrypt"), unb64(body));
    return unpad(new Uint8Array(padded));
  } catch {
    throw new Altered("letter");
  }
}

export const letterHash = async (letter) => b64(await sha256(utf8(canonical(letter))));

// Opens a complete thread: every letter in order and naming the previous one; otherwise throws Altered.
// A new epoch's key is trusted once an officer's signed letter opens with it. That is not enough: rows can make an
// officer's page seal its answer under a key of the writer's, whose epoch it then vouches for.
export async function openThread(caseId, caseKeys, letters, keyList) {
  const opened = [];
  const trusted = new Set([1]);
  let previous = "";
  for (const [index, letter] of letters.entries()) {
    const { context } = letter;
    if (context.case !== caseId || context.seq !== index + 1 || context.previous !== previous) throw new Altered("order");
    if (context.author === "officer") trusted.add(context.epoch);
    if (!caseKeys[context.epoch] || !trusted.has(context.epoch)) throw new Altered("epoch");
    const content = await openLetter(caseKeys[context.epoch], letter, keyList);
    const signer = keyList.readers.find(({ id }) => id === letter.signer) || null;
    opened.push({ letter, content, author: context.author, signer });
    previous = await letterHash(letter);
  }
  if (!opened.length) throw new Altered("order");
  return opened;
}
