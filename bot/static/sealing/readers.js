// Join statements and entries of readers: who a key belongs to, and who vouches for that.

import { hex } from "./encoding.js";
import { bound, sha256 } from "./canonical.js";
import { Altered } from "./errors.js";
import * as fields from "./fields.js";
import { sign, verify } from "./signatures.js";

const PROOFS = 2; // officers who vouch for a reader, where there are as many

export const JOIN = fields.record({
  v: fields.exactly(2),
  unit: fields.point,
  id: fields.identifier,
  name: fields.name,
  role: fields.oneOf("officer", "recovery"),
  reading: fields.point,
  signing: fields.point,
});
export const READER = fields.record({
  join: JOIN,
  scope: fields.text(0, 200),
  since: fields.number(1, fields.SERIALS),
  ended: fields.number(0, fields.SERIALS),
  proofs: fields.array(
    fields.record({ id: fields.identifier, signature: fields.signature }), 1, 1 + PROOFS, (proof) => proof.id,
  ),
});

export const inGroups = (bytes) => hex(bytes.slice(0, 12)).match(/.{4}/g).join(" ");
export const spokenFingerprint = async (join) => inGroups(await sha256(bound("join", join)));
export const prove = async (privateKey, id, join) => ({ id, signature: await sign(privateKey, "join", join) });

export const isActive = ({ since, ended }, serial) => since <= serial && (ended === 0 || serial < ended);

// Officers who could vouch: in the list before the reader was, and still active when it was added.
export const vouchers = ({ since }, readers) =>
  readers.filter((one) => one.join.role === "officer" && one.since < since && isActive(one, since));

export async function checkProofs(reader, readers) {
  const { join, proofs } = reader;
  const able = new Map(vouchers(reader, readers).map((one) => [one.join.id, one]));
  const others = proofs.map(({ id }) => id).filter((id) => id !== join.id);
  if (others.length === proofs.length || others.length !== Math.min(PROOFS, able.size) || !others.every((id) => able.has(id))) {
    throw new Altered("list.proofs");
  }
  for (const { id, signature } of proofs) {
    await verify((able.get(id) || reader).join.signing, signature, "join", join, "list.proofs");
  }
}
