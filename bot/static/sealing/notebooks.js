// An officer's notebook: what was seen of lists and cases, how two versions are merged, what a server hides.

import { decrypt, encrypt, VERSION } from "./boxes.js";
import { bound, canonical, readBytes, utf8 } from "./canonical.js";
import { Altered, Malformed } from "./errors.js";
import * as fields from "./fields.js";
import { LANE } from "./keys.js";
import { paddedEnd, padTo } from "./letters.js";

const STEP = 16 * 1024; // bytes: a notebook's size shows no single case
const place = (entry) => entry.case + " " + entry.lane;

const PLACE = { case: fields.identifier, lane: LANE };
export const NOTEBOOK = fields.record({
  v: fields.exactly(2),
  id: fields.identifier,
  version: VERSION,
  unit: fields.point,
  list: fields.PIN,
  cases: fields.array(
    fields.record({
      ...PLACE,
      first: fields.hashed,
      asker: fields.either("", fields.point),
      seq: fields.number(1, fields.LETTERS),
      last: fields.hashed,
    }), 0, 100000, place,
  ),
  passkeys: fields.array(fields.coded(1, 1023), 0, 50, fields.itself),
});
const HEADS = fields.array(
  fields.record({ ...PLACE, seq: fields.number(1, fields.LETTERS), hash: fields.hashed }), 0, 100000,
);

export function checkNotebook(notebook) {
  NOTEBOOK(notebook, "notebook");
  if (notebook.cases.some(({ asker, lane }) => (asker === "") !== (lane === "notes"))) throw new Malformed("notebook.cases.asker");
  return notebook;
}

const aadOf = (id, version) => bound("notebook", { id, version });

export async function sealNotebook(key, notebook, iv) {
  const raw = utf8(canonical(checkNotebook(notebook)));
  return encrypt(key, padTo(raw, Math.ceil((4 + raw.length) / STEP) * STEP), aadOf(notebook.id, notebook.version), iv);
}

export async function openNotebook(key, box, id, version) {
  const padded = await decrypt(key, box, aadOf(id, version), "notebook");
  const end = padded.length % STEP || !padded.length ? -1 : paddedEnd(padded);
  if (end < 0 || end <= padded.length - STEP) throw new Altered("notebook.padding");
  const notebook = checkNotebook(readBytes(padded.subarray(4, end)));
  if (notebook.id !== id || notebook.version !== version) throw new Altered("notebook");
  return notebook;
}

// ---------------------------------------------------------------- merging

// One notebook of two versions, and the forks between them: [notebook, [{ case, lane, what }]]; of a fork `mine` is kept.
// hashAt(case, lane, seq): the hash of a letter in a verified thread, or null; listHashes: Map of verified lists. With the
// newer list goes the unit that was confirmed with it.
export function merge(mine, stored, hashAt, listHashes, erased = []) {
  if (mine.id !== stored.id) throw new Altered("notebook");
  const found = [];
  const entries = new Map(stored.cases.map((entry) => [place(entry), entry]));
  for (const entry of mine.cases) {
    const newer = newerCase(entry, entries.get(place(entry)) || entry, hashAt);
    if (!newer) found.push({ case: entry.case, lane: entry.lane, what: "fork" });
    entries.set(place(entry), newer || entry);
  }
  const [former, newest] = mine.list.serial <= stored.list.serial ? [mine, stored] : [stored, mine];
  const [low, high] = [former.list, newest.list];
  const known = low.serial === high.serial ? high.hash : listHashes.get(low.serial);
  const isFork = known !== low.hash || (listHashes.get(high.serial) ?? high.hash) !== high.hash;
  if (isFork) found.push({ case: "", lane: "", what: "fork" });
  else if (low.serial === high.serial && mine.unit !== stored.unit) throw new Altered("notebook.unit");
  const { unit, list } = isFork ? mine : newest;
  const cases = [...entries.values()].filter((entry) => !erased.includes(entry.case));
  const merged = {
    ...mine,
    version: Math.max(mine.version, stored.version) + 1,
    unit,
    list,
    cases: cases.sort((left, right) => (place(left) < place(right) ? -1 : 1)),
    passkeys: [...new Set([...mine.passkeys, ...stored.passkeys])].sort(),
  };
  return [checkNotebook(merged), found.filter((one) => !erased.includes(one.case))];
}

function newerCase(left, right, hashAt) {
  if (left.first !== right.first || left.asker !== right.asker) return null;
  const [low, high] = left.seq <= right.seq ? [left, right] : [right, left];
  if (low.seq === high.seq) return low.last === high.last ? low : null;
  return hashAt(low.case, low.lane, low.seq) === low.last ? high : null;
}

// ---------------------------------------------------------------- at unlock

// What the server shows of the remembered cases less of, or otherwise, than was seen: missing, lower, other.
export function compareHeads(notebook, heads, erased = []) {
  HEADS(heads, "heads");
  const byPlace = new Map(heads.map((head) => [place(head), head]));
  const what = (entry) => {
    const head = byPlace.get(place(entry));
    if (!head) return "missing";
    if (head.seq < entry.seq) return "lower";
    return head.seq === entry.seq && head.hash !== entry.last ? "other" : "";
  };
  return notebook.cases
    .filter((entry) => !erased.includes(entry.case) && what(entry))
    .map((entry) => ({ case: entry.case, lane: entry.lane, what: what(entry) }));
}
