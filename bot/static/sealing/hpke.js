// HPKE, RFC 9180, base mode with P-256 and HKDF-SHA256: seal(publicKey, info, plain), open(keys, info, sealed).
// The AEAD is AES-256-GCM (2); AES-128-GCM (1), `aad` and `ephemeral` exist only to check the RFC's test vectors.

import { concat, utf8 } from "./encoding.js";
import { Altered } from "./errors.js";

const CURVE = { name: "ECDH", namedCurve: "P-256" };
const NONE = new Uint8Array();
const KEM = concat(utf8("KEM"), [0, 0x10]);
const suite = (aead) => concat(utf8("HPKE"), [0, 0x10, 0, 1, 0, aead]);

async function hmac(key, bytes) {
  // An absent salt is 32 zeros; WebCrypto accepts no empty key.
  const secret = key.length ? key : new Uint8Array(32);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes));
}

const extract = (id, salt, label, secret) => hmac(salt, concat(utf8("HPKE-v1"), id, utf8(label), secret));

// HKDF-Expand of one block: `size` is at most 32 bytes.
async function expand(id, key, label, info, size) {
  const block = await hmac(key, concat([0, size], utf8("HPKE-v1"), id, utf8(label), info, [1]));
  return block.slice(0, size);
}

async function agree(privateKey, publicRaw, context) {
  const publicKey = await crypto.subtle.importKey("raw", publicRaw, CURVE, true, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: publicKey }, privateKey, 256);
  const key = await extract(KEM, NONE, "eae_prk", new Uint8Array(shared));
  return expand(KEM, key, "shared_secret", context, 32);
}

async function schedule(shared, info, aead) {
  const id = suite(aead);
  const psk = await extract(id, NONE, "psk_id_hash", NONE);
  const context = concat([0], psk, await extract(id, NONE, "info_hash", info));
  const secret = await extract(id, shared, "secret", NONE);
  const key = await expand(id, secret, "key", context, aead === 1 ? 16 : 32);
  const iv = await expand(id, secret, "base_nonce", context, 12);
  return { key: await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]), iv };
}

// Returns the ephemeral public point (65 bytes) followed by the ciphertext. `ephemeral`: { privateKey, publicKey (raw) }, in tests only.
export async function seal(publicRaw, info, plain, { aead = 2, aad = NONE, ephemeral = null } = {}) {
  let own = ephemeral;
  if (!own) {
    const pair = await crypto.subtle.generateKey(CURVE, false, ["deriveBits"]);
    own = { privateKey: pair.privateKey, publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)) };
  }
  const shared = await agree(own.privateKey, publicRaw, concat(own.publicKey, publicRaw));
  const { key, iv } = await schedule(shared, info, aead);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: aad }, key, plain);
  return concat(own.publicKey, new Uint8Array(sealed));
}

// `keys`: { privateKey: CryptoKey, publicKey: raw bytes } of the reader. Throws Altered.
export async function open(keys, info, sealed, { aead = 2, aad = NONE } = {}) {
  try {
    const point = sealed.slice(0, 65);
    const shared = await agree(keys.privateKey, point, concat(point, keys.publicKey));
    const { key, iv } = await schedule(shared, info, aead);
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: aad }, key, sealed.slice(65));
    return new Uint8Array(plain);
  } catch {
    throw new Altered("seal");
  }
}
