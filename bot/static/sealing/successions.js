// Successions: that another key of the unit follows, by the former key or by two officers who were active then.

import { Altered } from "./errors.js";
import * as fields from "./fields.js";
import { isActive } from "./readers.js";
import { sign, verify } from "./signatures.js";

const UNIT = "unit"; // in the place of a signer's id: the former key
export const MOST = 20; // successions of one unit

export const SUCC = fields.record({
  succ: fields.record({
    v: fields.exactly(2),
    old: fields.point,
    next: fields.point,
    serial: fields.number(1, fields.SERIALS),
    day: fields.day,
  }),
  signatures: fields.array(
    fields.record({ by: fields.either(UNIT, fields.identifier), signature: fields.signature }), 1, 2, (one) => one.by,
  ),
});

export const signSuccession = async (privateKey, succ) => ({
  succ,
  signatures: [{ by: UNIT, signature: await sign(privateKey, "succ", succ) }],
});

// Whether the former key itself has signed: the word of officers counts only beside the list that names them.
export const isByUnit = ({ signatures }) => signatures.length === 1;

// The key that signed the list with this serial; `unit` signed the newest.
export const unitAt = (succ, unit, serial) => (succ.find((one) => serial <= one.succ.serial)?.succ ?? { old: unit }).old;

function officerKey(reader, serial) {
  if (reader?.join.role !== "officer" || !isActive(reader, serial)) throw new Altered("succ.by");
  return reader.join.signing;
}

// All successions that led to a list: each names the next one's key, earlier lists and days come first, and officers who
// signed were active then.
export async function checkSuccessions(succ, { unit, serial, day, readers }) {
  let after = { old: unit, serial, day };
  for (const { succ: here, signatures } of [...succ].reverse()) {
    if (here.next !== after.old) throw new Altered("succ.next");
    if (here.serial >= after.serial) throw new Altered("succ.serial");
    if (here.day > after.day) throw new Altered("succ.day");
    if (signatures.some(({ by }) => by === UNIT) !== isByUnit({ signatures })) throw new Altered("succ.by");
    for (const { by, signature } of signatures) {
      const signer = by === UNIT ? here.old : officerKey(readers.find(({ join }) => join.id === by), here.serial);
      await verify(signer, signature, "succ", here, "succ.signature");
    }
    after = here;
  }
}
