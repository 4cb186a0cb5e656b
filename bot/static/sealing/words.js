// What people write down: words drawn from the list, and recovery codes; and whether to seal in this browser at all.

import { normalise } from "./boxes.js";
import { decode, encode, sha256 } from "./canonical.js";
import { hex } from "./encoding.js";
import { Altered } from "./errors.js";
import { WORDS } from "./wordlist.js";

const CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"; // no I, L, O, U: they are misread

// WebCrypto exists on https and on loopback only.
export const supported = () => Boolean(globalThis.isSecureContext && globalThis.crypto?.subtle);

// Whether this is not a browser but a window of another application, which could read the page: Telegram puts objects into
// it, others name themselves, and Android's own WebView says `wv`. What hides itself is not found.
export const insideApp = () =>
  ["TelegramWebview", "TelegramWebviewProxy", "TelegramWebviewProxyProto"].some((name) => name in globalThis) ||
  /; wv\)|WhatsApp|Instagram|\bFB[A_]|MicroMessenger/.test(navigator.userAgent);

export const random = (size) => crypto.getRandomValues(new Uint8Array(size));
export const newId = () => encode(random(16));

const LIST = WORDS.map((word) => word.normalize("NFC"));

export const knownWords = new Set(LIST.map(normalise));

export function drawWords(count) {
  const drawn = crypto.getRandomValues(new Uint16Array(count)); // no bias: 65,536 is a multiple of 2,048
  return [...drawn].map((number) => LIST[number % 2048]);
}

// 32 random bytes and a check byte of their SHA-256, five bits per letter: 53 letters in groups of four.
export async function newRecoveryCode() {
  const secret = random(32);
  const bits = [...secret, (await sha256(secret))[0]].map((byte) => byte.toString(2).padStart(8, "0")).join("") + "0";
  return bits.match(/.{5}/g).map((group) => CODE_ALPHABET[parseInt(group, 2)]).join("").match(/.{1,4}/g).join("-");
}

// The secret of a typed code, for `derive` and `deriveKey`; a mistyped one throws Altered.
export async function codeSecret(code) {
  const letters = code.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  const bits = [...letters].map((letter) => CODE_ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = Uint8Array.from(bits.match(/[01]{8}/g) || [], (byte) => parseInt(byte, 2));
  const secret = bytes.slice(0, 32);
  if (!/^[01]{265}$/.test(bits) || (await sha256(secret))[0] !== bytes[32]) throw new Altered("code");
  return crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits", "deriveKey"]);
}

// The form in which the server stores a locator.
export const locatorHash = async (locator) => hex(await sha256(decode(locator)));
