// Letters: their context, grant and content, and how one is signed, sealed and opened.

import { bound, canonical, decode, digest, encode, read, readBytes, utf8 } from "./canonical.js";
import { Altered, Malformed, Refused } from "./errors.js";
import * as fields from "./fields.js";
import { EPOCH, LANE, READER_NAME, letterKey } from "./keys.js";
import { sign, verify } from "./signatures.js";

const TAG = 16; // bytes that AES-GCM adds
export const SIZES = [2048, 4096, 8192, 16384, 32768]; // bytes of a padded content
const KINDS = ["ask", "answer", "question", "reply", "hand", "close", "resume", "note"];

export const GRANT = fields.record({
  commit: fields.hashed,
  readers: fields.array(fields.identifier, 1, 200, fields.itself),
  excluded: fields.array(fields.identifier, 0, 200, fields.itself),
  asker: fields.nullable(fields.record({ reading: fields.point, signing: fields.point })),
});
export const CONTEXT = fields.record({
  v: fields.exactly(2),
  suite: fields.exactly(1),
  case: fields.identifier,
  lane: LANE,
  seq: fields.number(1, fields.LETTERS),
  epoch: EPOCH,
  kind: fields.oneOf(...KINDS),
  author: READER_NAME,
  list: fields.number(1, fields.SERIALS),
  listhash: fields.hashed,
  day: fields.day,
  previous: fields.either("", fields.hashed),
  grant: fields.nullable(GRANT),
  lost: fields.array(fields.hashed, 0, 200),
});
export const LETTER = fields.record({
  context: CONTEXT,
  iv: fields.coded(12),
  body: fields.coded(SIZES[0] + TAG, SIZES[4] + TAG),
  signature: fields.signature,
});
const KEY_OR_NONE = fields.either("", fields.coded(32));
export const CONTENT = fields.record({
  text: fields.text(0, SIZES[4]),
  fields: fields.texts,
  before: KEY_OR_NONE,
  bell: KEY_OR_NONE,
});

// ---------------------------------------------------------------- format

export const readLetter = (text) => parseLetter(read(text));

export function parseLetter(value) {
  LETTER(value, "letter");
  const { context, body } = value;
  const { seq, lane, kind, previous, epoch, grant, lost } = context;
  if (!SIZES.includes(decode(body).length - TAG)) throw new Malformed("letter.body");
  if ((previous === "") !== (seq === 1)) throw new Malformed("letter.context.previous");
  if ((kind === "resume") !== lost.length > 0 || new Set(lost).size !== lost.length) throw new Malformed("letter.context.lost");
  if (epoch > seq) throw new Malformed("letter.context.epoch");
  if (grant && (grant.asker !== null) !== (seq === 1 && lane === "talk")) throw new Malformed("letter.context.grant.asker");
  return value;
}

const signed = ({ context, iv, body }) => ({ context, iv, body }); // what is signed and hashed: all but the signature
export const letterHash = (letter) => digest("letter", signed(letter));

// ---------------------------------------------------------------- padding

export function pad(content) {
  CONTENT(content, "content");
  const raw = utf8(canonical(content));
  const size = SIZES.find((one) => one >= 4 + raw.length);
  if (!size) throw new Refused("content.size");
  return padTo(raw, size);
}

export function padTo(raw, size) {
  const padded = new Uint8Array(size);
  new DataView(padded.buffer).setUint32(0, raw.length);
  padded.set(raw, 4);
  return padded;
}

// The end of what `padTo` padded, or -1 where the length or the zeros are wrong.
export function paddedEnd(padded) {
  const end = 4 + new DataView(padded.buffer, padded.byteOffset).getUint32(0);
  return end > padded.length || padded.subarray(end).some(Boolean) ? -1 : end;
}

export function unpad(padded) {
  const end = paddedEnd(padded);
  if (end < 0 || SIZES.some((size) => end <= size && size < padded.length)) throw new Altered("letter.padding");
  const content = readBytes(padded.subarray(4, end));
  CONTENT(content, "content");
  return content;
}

// ---------------------------------------------------------------- sealing and opening

function checkContent({ grant, epoch, lane, seq }, { before, bell }) {
  if (Boolean(before) !== (grant !== null && epoch > 1)) throw new Altered("content.before");
  if (bell && (lane !== "talk" || seq > 1)) throw new Altered("content.bell");
}

const algorithm = (iv, context) => ({ name: "AES-GCM", iv, additionalData: bound("letter", context) });

// `iv` is given in tests only.
export async function sealLetter(key, context, content, privateKey, iv = crypto.getRandomValues(new Uint8Array(12))) {
  const padded = pad(content);
  checkContent(context, content);
  const sealed = await crypto.subtle.encrypt(algorithm(iv, context), await letterKey(key, context, "encrypt"), padded);
  const unsigned = { context, iv: encode(iv), body: encode(new Uint8Array(sealed)) };
  return parseLetter({ ...unsigned, signature: await sign(privateKey, "letter", unsigned) });
}

export const verifyLetter = (letter, signing) =>
  verify(signing, letter.signature, "letter", signed(letter), "letter.signature");

export async function openLetter(key, { context, iv, body }) {
  let padded;
  try {
    const cipher = await letterKey(key, context, "decrypt");
    padded = await crypto.subtle.decrypt(algorithm(decode(iv), context), cipher, decode(body));
  } catch {
    throw new Altered("letter.body");
  }
  const content = unpad(new Uint8Array(padded));
  checkContent(context, content);
  return content;
}
