// A case from new keys to an answer, made by the scripts alone: a list, a first letter, access, a grant, boxes, a custody.

export async function story(load) {
  const names = ["canonical", "lists", "readers", "letters", "keys", "signatures", "threads", "epochs", "boxes", "notebooks",
    "custody"];
  const [canonical, lists, readers, letters, keys, signatures, threads, epochs, boxes, notebooks, custody] =
    await Promise.all(names.map(load));
  const { canonical: text, encode } = canonical;
  const id = (byte) => encode(new Uint8Array(16).fill(byte));
  const unit = await signatures.newSigningPair();
  const people = [];
  for (const byte of [1, 2]) {
    const own = { id: id(byte), reading: await signatures.newReadingPair(), signing: await signatures.newSigningPair() };
    own.join = { v: 2, unit: unit.point, id: own.id, name: "Persona ñ", role: "officer", reading: own.reading.point,
                 signing: own.signing.point };
    people.push(own);
  }
  const entries = [];
  for (const one of people) {
    const proofs = [await readers.prove(one.signing.privateKey, one.id, one.join)];
    entries.push({ join: one.join, scope: "", since: 1, ended: 0, proofs });
  }
  const list = { v: 2, suite: 1, unit: unit.point, serial: 1, prev: "", day: "2026-11-20", until: "2026-12-20",
                 custodians: [], readers: entries };
  const signed = await lists.signList(unit.privateKey, list);
  const pin = await lists.unitPin(unit.point);
  const chain = await lists.checkAlone(lists.readList(text(signed)), pin, "2026-11-21");
  const [ana, bea] = people;
  const asker = { reading: await signatures.newReadingPair(), signing: await signatures.newSigningPair() };
  const caseId = id(9);
  const first = keys.newCaseKey();
  const common = { v: 2, suite: 1, case: caseId, lane: "talk", list: 1, listhash: chain.hashes.get(1), day: "2026-11-21", lost: [] };
  const granted = async (key, epoch, seal, own) => ({
    commit: await keys.commit(key, caseId, "talk", epoch), readers: seal.readers, excluded: seal.excluded, asker: own,
  });
  const begin = { readers: [ana.id, bea.id], excluded: [] };
  const own = { reading: asker.reading.point, signing: asker.signing.point };
  const ask = await letters.sealLetter(first, { ...common, seq: 1, epoch: 1, kind: "ask", author: "asker", previous: "",
    grant: await granted(first, 1, begin, own) }, { text: "¿Puedo firmar?", fields: {}, before: "", bell: "" },
    asker.signing.privateKey);
  let thread = await threads.checkPosted(threads.NO_LETTERS, ask, chain, "2026-11-21");
  const seal = epochs.nextSeal(thread, chain, ana.id, { seen: 0, floor: 1, isInForce: true, change: { leaves: true } });
  const second = keys.newCaseKey();
  const answer = await letters.sealLetter(second, { ...common, seq: 2, epoch: seal.epoch, kind: "hand", author: ana.id,
    previous: await letters.letterHash(ask), grant: await granted(second, 2, seal, null) },
    { text: "Excúsate. 🙂", fields: {}, before: encode(first), bell: "" }, ana.signing.privateKey);
  thread = await threads.checkPosted(thread, answer, chain, "2026-11-21");
  const wrapping = canonical.decode(encode(new Uint8Array(32).fill(7)));
  const key = await boxes.boxKey(wrapping);
  const askerBox = { v: 2, case: caseId, reading: asker.reading.pkcs8, signing: asker.signing.pkcs8, unit: unit.point,
    list: await lists.pinOf(list), first: thread.hashes[0], seen: { seq: 2, hash: thread.hashes[1] }, version: 1 };
  const officerBox = { v: 2, id: ana.id, reading: ana.reading.pkcs8, signing: ana.signing.pkcs8,
    notebook: encode(wrapping), unit: unit.point };
  const kept = { v: 2, id: bea.id, unit: unit.point, reading: bea.reading.pkcs8, signing: bea.signing.pkcs8,
    unit_key: unit.pkcs8 };
  const custodians = [];
  for (const byte of [3, 4, 5]) custodians.push({ id: id(byte), pair: await signatures.newReadingPair() });
  const statements = custodians.map(({ id: of, pair }) => ({ v: 2, unit: unit.point, id: of, name: "Persona ñ", reading: pair.point }));
  const sealed = text(await custody.sealCustody(kept, statements));
  const box = await custody.wrapCustodian(key, statements[0], custodians[0].pair.pkcs8);
  const two = custodians.slice(1);
  const notebook = { v: 2, id: ana.id, version: 1, unit: unit.point, list: askerBox.list, cases: [{ case: caseId, lane: "talk",
    first: thread.hashes[0], asker: asker.signing.point, seq: 2, last: thread.hashes[1] }], passkeys: [] };
  return JSON.stringify({
    pin, lists: [text(signed)], list_hash: chain.hashes.get(1), letters: [text(ask), text(answer)],
    newest: { epoch: 2, readers: [bea.id], excluded: [], last: thread.hashes[1] },
    newest_commit: answer.context.grant.commit, key: encode(second), officer: bea.reading.pkcs8,
    access: text(await keys.sealAccess(second, bea.reading.point, caseId, "talk", 2, bea.id)),
    asker: { check: "unwrap_asker", args: [encode(wrapping), await boxes.wrapAsker(key, askerBox), caseId, 1], out: text(askerBox) },
    officer_box: { check: "unwrap_officer", args: [encode(wrapping), await boxes.wrapOfficer(key, officerBox, "code"), ana.id,
      "code"], out: text(officerBox) },
    unit: { check: "open_unit_key", args: [await keys.sealUnitKey(unit, ana.id, ana.reading.point), ana.id, unit.point,
      ana.reading.pkcs8], out: unit.pkcs8 },
    custodian: { check: "unwrap_custodian", args: [encode(wrapping), box, text(statements[0])], out: custodians[0].pair.pkcs8 },
    custody: { check: "check_custody", args: [sealed, unit.point], out: true },
    opened: { check: "open_custody", args: [sealed, Object.fromEntries(two.map(({ id: of, pair }) => [of, pair.pkcs8]))],
      out: text(kept) },
    notebook: { check: "open_notebook", args: [encode(wrapping), await notebooks.sealNotebook(key, notebook), ana.id, 1],
      out: text(notebook) },
  });
}
