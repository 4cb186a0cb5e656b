// The checks that tests/vectors/protocol.json names, as calls of the scripts in bot/static/sealing.

const FOLDER = "/static/sealing/";
const NAMES = [
  "boxes", "canonical", "custody", "epochs", "fields", "keys", "letters", "lists", "notebooks", "readers", "signatures", "statements",
  "threads", "tokens", "errors",
];
const loaded = await Promise.all(NAMES.map((name) => import(`${FOLDER}${name}.js`)));
const [
  boxes, canonical, custody, epochs, fields, keys, letters, lists, notebooks, readers, signatures, statements, threads, tokens,
  errors,
] = loaded;
const { encode, decode, read } = canonical;

const chains = new Map();

async function chainOf(texts, pin) {
  let chain = await lists.checkFirst(lists.readList(texts[0]), pin);
  for (const text of texts.slice(1)) chain = await lists.checkNext(chain, lists.readList(text));
  return chain;
}

export function chain(texts, pin) {
  const name = JSON.stringify([texts, pin]);
  if (!chains.has(name)) chains.set(name, chainOf(texts, pin));
  return chains.get(name);
}

export async function thread(texts, listTexts, pin) {
  if (!texts.length) return threads.NO_LETTERS;
  return threads.checkThread(texts.map(letters.readLetter), await chain(listTexts, pin));
}

const checked = (check, where) => (value) => {
  check(value, where);
  return true;
};
const reading = (pkcs8) => signatures.importReadingKey(pkcs8);
const signing = (pkcs8) => signatures.importSigningKey(pkcs8);
const box = (name) => async (key, ...given) => canonical.canonical(await boxes[name](await boxes.boxKey(decode(key)), ...given));
const notebook = (text) => notebooks.checkNotebook(read(text));
const custodyOf = (text) => custody.parseCustody(read(text)).custody;
const pairs = async (present) =>
  new Map(await Promise.all(Object.entries(present).map(async ([id, pkcs8]) => [id, await reading(pkcs8)])));
const names = (found) => found.map((one) => `${one.case} ${one.lane} ${one.what}`);

export const CHECKS = {
  bound: (label, text) => encode(canonical.bound(label, read(text))),
  writes: (units) => canonical.canonical(String.fromCharCode(...units)),
  digest: (label, text) => canonical.digest(label, read(text)),
  signs: async (point, signature, label, text) => {
    await signatures.verify(point, signature, label, read(text), "signed");
    return true;
  },
  decode: (text) => [...decode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  point: checked(fields.point, "point"),
  day: checked(fields.day, "day"),
  local_day: (moment) => fields.localDay(new Date(moment)),
  unit_pin: lists.unitPin,
  unit_fingerprint: lists.unitFingerprint,
  spoken_fingerprint: (text) => readers.spokenFingerprint(read(text)),
  commit: (key, ...place) => keys.commit(decode(key), ...place),
  read_access: (text) => Boolean(keys.readAccess(text)),
  open_access: async (text, pkcs8, commit) => encode(await keys.openAccess(keys.readAccess(text), await reading(pkcs8), commit)),
  check_rows: (rows, ...place) => {
    keys.checkRows(rows.map(keys.readAccess), ...place);
    return true;
  },
  open_draft: async (sealed, pkcs8, ...place) =>
    encode(await keys.openDraft(sealed, await reading(pkcs8), keys.draftInfo(...place))),
  read_letter: (text) => letters.letterHash(letters.readLetter(text)),
  open_letter: async (key, text) => canonical.canonical(await letters.openLetter(decode(key), letters.readLetter(text))),
  seal_letter: async (key, context, content, iv, pkcs8) => {
    const { privateKey, point } = await signing(pkcs8);
    const letter = await letters.sealLetter(decode(key), read(context), read(content), privateKey, decode(iv));
    await letters.verifyLetter(letter, point);
    return letter.body;
  },
  pad: (letter, times) => letters.pad({ text: letter.repeat(times), fields: {}, before: "", bell: "" }).length,
  locator: async (words) => encode(await boxes.derive(await boxes.askerSecret(words), "locator")),
  unwrap_asker: box("unwrapAsker"),
  verify_bundle: async (...given) => {
    await boxes.verifyBundle(...given);
    return true;
  },
  unwrap_officer: box("unwrapOfficer"),
  open_unit_key: async (sealed, id, unit, pkcs8) => (await keys.openUnitKey(sealed, id, unit, await reading(pkcs8))).pkcs8,
  custodian_fingerprint: (text) => custody.custodianFingerprint(read(text)),
  unwrap_custodian: async (key, kept, text) =>
    (await custody.unwrapCustodian(await boxes.boxKey(decode(key)), kept, read(text))).pkcs8,
  check_custody: async (text, unit) => Boolean(await custody.checkCustody(custody.parseCustody(read(text)), unit)),
  open_custody: async (text, present) => canonical.canonical(await custody.openCustody(custodyOf(text), await pairs(present))),
  check_kept: async (text, texts, pin) => Boolean(await custody.checkKept(read(text), await chain(texts, pin))),
  check_rehearsal: async (text, of, texts, pin) =>
    Boolean(await custody.checkRehearsal(custody.parseRehearsal(read(text)), custodyOf(of), await chain(texts, pin))),
  check_use: async (text, of, texts, pin, today) =>
    Boolean(await custody.checkUse(custody.parseUse(read(text)), custodyOf(of), await chain(texts, pin), today)),
  bell: (token) => tokens.bell(decode(token)),
  entry_row: (key, token) => tokens.entryRow(decode(key), decode(token)),
  route_row: (key, bell) => tokens.routeRow(decode(key), bell),
  session_mac: (key, token, ...given) => tokens.sessionMac(decode(key), decode(token), ...given),
  read_list: (text) => lists.listHash(lists.readList(text).list),
  check_alone: async (text, pin, today) => (await lists.checkAlone(lists.readList(text), pin, today)).serial,
  check_pinned: async (text, pin, seen) => (await lists.checkPinned(lists.readList(text), pin, seen)).serial,
  check_chain: async (texts, pin) => lists.listHash((await chain(texts, pin)).newest),
  walk: async (pin, texts, unit) => (await lists.walk(pin, texts.map(lists.readList), unit)).serial,
  walk_all: async (texts, pin) => (await lists.walkAll(texts.map(lists.readList), pin)).serial,
  successions_since: async (texts, pin, since) =>
    (await lists.successionsSince(await chain(texts, pin), since)).map(({ succ }) => succ.next),
  check_floor: async (text, floor) => {
    await lists.checkFloor(lists.readList(text).list, floor);
    return true;
  },
  read_erase: (text) => Boolean(statements.readErase(text)),
  check_erase: async (text, texts, listTexts, pin) => {
    const known = await thread(texts, listTexts, pin);
    await statements.checkErase(statements.readErase(text), known, await chain(listTexts, pin));
    return true;
  },
  check_thread: async (texts, listTexts, pin) => {
    if (!texts.length) await threads.checkThread([], await chain(listTexts, pin));
    const { grants, hashes } = await thread(texts, listTexts, pin);
    const { epoch, grant } = grants[grants.length - 1];
    return { epoch, readers: grant.readers, excluded: grant.excluded, last: hashes[hashes.length - 1] };
  },
  check_posted: async (texts, letter, listTexts, pin, today, talk) => {
    const known = await thread(texts, listTexts, pin);
    const beside = talk && (await thread(talk, listTexts, pin));
    const { hashes } = await threads.checkPosted(known, letters.readLetter(letter), await chain(listTexts, pin), today, beside);
    return hashes[hashes.length - 1];
  },
  open_thread: async (texts, listTexts, pin, key) =>
    (await threads.openThread(await thread(texts, listTexts, pin), decode(key))).map(({ text }) => text),
  check_seen: async (texts, listTexts, pin, ...seen) => {
    return threads.checkSeen(await thread(texts, listTexts, pin), await chain(listTexts, pin), ...seen);
  },
  next_seal: async (texts, listTexts, pin, author, { seen, floor, is_in_force, change, talk }) => {
    const known = await thread(texts, listTexts, pin);
    const beside = talk && (await thread(talk, listTexts, pin));
    const options = { seen, floor, isInForce: is_in_force, change, talk: beside };
    const { epoch, isGrant, readers: granted, excluded } = epochs.nextSeal(known, await chain(listTexts, pin), author, options);
    return { epoch, is_grant: isGrant, readers: granted, excluded };
  },
  check_notebook: (text) => Boolean(notebook(text)),
  open_notebook: async (key, ...given) =>
    canonical.canonical(await notebooks.openNotebook(await boxes.boxKey(decode(key)), ...given)),
  merge: (mine, stored, hashes, listHashes, erased) => {
    const hashAt = (...place) => hashes[place.join(" ")] ?? null;
    const known = new Map(Object.entries(listHashes).map(([serial, hash]) => [Number(serial), hash]));
    const [merged, found] = notebooks.merge(notebook(mine), notebook(stored), hashAt, known, erased);
    return { notebook: canonical.canonical(merged), found: names(found) };
  },
  compare_heads: (text, heads, erased) => names(notebooks.compareHeads(notebook(text), heads, erased)),
};

// What a check gives, or the error that it throws, in the words of the vectors.
export async function verdict({ check, args }) {
  try {
    return { out: await CHECKS[check](...args) };
  } catch (error) {
    if (error instanceof errors.ProtocolError) return { error: { kind: error.kind, reason: error.reason } };
    return { error: { kind: "fault", reason: String(error) } };
  }
}
