// Formats of fields: each check takes a value and the path of its field, and throws Malformed with that path.

import { decode, utf8 } from "./canonical.js";
import { Malformed } from "./errors.js";

export const ASKER = "asker";
export const SERIALS = 1000000; // lists of one unit
export const LETTERS = 30000; // letters of one case

const ZONE = "America/Mexico_City";
const has = (value, name) => Object.prototype.hasOwnProperty.call(value, name);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const must = (isRight, where) => {
  if (!isRight) throw new Malformed(where);
};

// The day of a moment (a Date) on the clock of those who write.
export function localDay(moment) {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit" });
  const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

// Days since 1970; what is no day throws, as a comparison with NaN would let anything pass.
export function dayNumber(value) {
  day(value, "day");
  return Date.parse(value + "T00:00:00Z") / 86400000;
}

// ---------------------------------------------------------------- single values

export const exactly = (expected) => (value, where) => must(value === expected, where);
export const oneOf = (...expected) => (value, where) => must(expected.includes(value), where);
export const number = (least, most) => (value, where) =>
  must(Number.isSafeInteger(value) && least <= value && value <= most, where);

export const text = (least, most) => (value, where) => {
  must(typeof value === "string", where);
  const { length } = utf8(value);
  must(least <= length && length <= most, where);
};

export const coded = (least, most = least) => (value, where) => {
  must(typeof value === "string", where);
  const { length } = decode(value, where);
  must(least <= length && length <= most, where);
};

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const integer = (bytes) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

const checkedPoints = new Set();

// A public key: 65 bytes, uncompressed, on the curve P-256.
export function point(value, where) {
  if (checkedPoints.has(value)) return;
  coded(65)(value, where);
  const raw = decode(value);
  const [x, y] = [integer(raw.subarray(1, 33)), integer(raw.subarray(33))];
  must(raw[0] === 4 && x < P && y < P && (y * y - x * x * x + 3n * x - B) % P === 0n, where);
  checkedPoints.add(value);
}

// A day of this century, YYYY-MM-DD.
export function day(value, where) {
  must(typeof value === "string" && /^20[0-9]{2}-[0-9]{2}-[0-9]{2}$/.test(value), where);
  const parsed = new Date(value + "T00:00:00Z");
  must(!Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(value), where);
}

// What people read: 1 to 200 bytes without characters that are not seen: two names that print alike would be two.
export function name(value, where) {
  text(1, 200)(value, where);
  must(!/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(value), where);
}

export const identifier = coded(16);
export const hashed = coded(32);
export const signature = coded(64);
export const privateKey = coded(60, 300); // PKCS #8

// ---------------------------------------------------------------- compositions

export const either = (expected, other) => (value, where) => value === expected || other(value, where);
export const nullable = (other) => (value, where) => value === null || other(value, where);

// An object with exactly these fields, which are checked in this order.
export const record = (checks) => (value, where) => {
  must(isObject(value), where);
  for (const [key, field] of Object.entries(checks)) {
    must(has(value, key), where + "." + key);
    field(value[key], where + "." + key);
  }
  must(Object.keys(value).length === Object.keys(checks).length, where);
};

// A list of so many items; with `by` strictly ascending, so that one set has one form.
export const array = (item, least, most, by = null) => (value, where) => {
  must(Array.isArray(value) && least <= value.length && value.length <= most, where);
  for (const one of value) item(one, where);
  if (by) must(value.every((one, at) => at === 0 || by(value[at - 1]) < by(one)), where);
};

export const itself = (value) => value;

// An object of at most 64 named strings.
export function texts(value, where) {
  must(isObject(value) && Object.keys(value).length <= 64, where);
  for (const [key, item] of Object.entries(value)) must(/^[a-z][a-z0-9_]{0,39}$/.test(key) && typeof item === "string", where);
}

export const PIN = record({ serial: number(1, SERIALS), hash: hashed });
export const BOX = record({ iv: coded(12), body: coded(17, 1000000) });
