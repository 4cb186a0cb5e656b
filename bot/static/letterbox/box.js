// The asker's box: the keys and memory of one case, which the eight words find and open, and each new version of it.

import { encode } from "../sealing/canonical.js";
import { Altered } from "../sealing/errors.js";
import { askerSecret, derive, deriveKey, signBundle, unwrapAsker, wrapAsker } from "../sealing/boxes.js";
import { importReadingKey, importSigningKey } from "../sealing/signatures.js";

// { locator, key }: by the first the server finds the case; the second opens its box and stays here.
export async function secretsOf(words) {
  const secret = await askerSecret(words);
  return { locator: encode(await derive(secret, "locator")), key: await deriveKey(secret, "asker-wrap") };
}

export const openBox = ({ key }, { box, case: id, version }) => unwrapAsker(key, box, id, version);

// The two pairs of keys in the box, which must be those that the first letter names.
export async function ownKeys({ reading, signing }, { grants }) {
  const own = { reading: await importReadingKey(reading), signing: await importSigningKey(signing) };
  const { asker } = grants[0].grant;
  if (asker.reading !== own.reading.point || asker.signing !== own.signing.point) throw new Altered("asker.keys");
  return own;
}

// A version of the box as it is posted: the server stores none without the asker's signature.
export async function sealBox({ key }, asker, { privateKey }) {
  const box = await wrapAsker(key, asker);
  const { version } = asker;
  return { box, version, signature: await signBundle(privateKey, asker.case, version, box) };
}
