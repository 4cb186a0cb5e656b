// What custodians do with the keys that they have opened: each case that the recovery key reads is verified and handed
// to an officer, in a letter of the recovery key that grants the officer the next epoch.

import { nextSeal } from "../sealing/epochs.js";
import { Altered, WrongKey } from "../sealing/errors.js";
import { openAccess } from "../sealing/keys.js";
import { parseLetter } from "../sealing/letters.js";
import { barred, caseOf, checkThread, excludedOf, laneOf, openThread, readersOf } from "../sealing/threads.js";
import { folio } from "./findings.js";
import { sealLetterOf } from "./letter.js";
import { laterBy, phrase, post, UserError, verifying } from "./page.js";
import { holdsToday } from "./trust.js";

const last = (list) => list[list.length - 1];

// Hands over all cases, page by page, and reports after each: { handed, already, failed: [{ folio, key }] }.
// `hand`: { authority, recovery (id), keys, to (the officer's entry), chain }.
export async function handOverAll(hand, report) {
  const done = { handed: 0, already: 0, failed: [] };
  for (let after = ""; ; ) {
    const { status, body } = await post("/console/recovery/cases", { ...hand.authority, after });
    if (status !== 200) throw new UserError(status === 409 ? "use_refused" : "failed");
    for (const one of body.cases) {
      await attempt(hand, one, done);
      report(done);
    }
    if (!body.after) return done;
    after = body.after;
  }
}

async function attempt(hand, one, done) {
  try {
    done[await handOver(hand, one)] += 1;
  } catch (error) {
    if (["offline", "session_over"].includes(error.key)) throw error;
    done.failed.push({ folio: await folio(one.case), key: error.key ?? "failed" });
  }
}

async function handOver(hand, { case: caseId, letters, access }) {
  const { chain, to, recovery, keys } = hand;
  const { thread, key, contents } = await verifying("altered_case", async () => {
    const checked = await checkThread(letters.map(parseLetter), chain);
    if (caseOf(checked) !== caseId || laneOf(checked) !== "talk") throw new Altered("thread.case");
    const { epoch, grant } = last(checked.grants);
    if (!access) throw new WrongKey("access.none");
    const place = { case: caseId, lane: "talk", epoch, reader: recovery };
    const opened = await openAccess({ ...place, sealed: access.sealed }, keys.reading, grant.commit);
    return { thread: checked, key: opened, contents: await openThread(checked, opened) };
  });
  if (readersOf(thread).includes(to.join.id)) return "already";
  const written = await sealed(hand, thread, key);
  const posted = post("/console/recovery/letters", { ...hand.authority, ...written, bell: contents[0].bell });
  const { status, body } = await posted.catch(laterBy("letters_later"));
  if (status === 201) return "handed";
  throw new UserError({ seq: "given_meanwhile", keys: "use_refused", day: "clock" }[body?.error] ?? "failed");
}

async function sealed({ chain, to, recovery, keys }, thread, key) {
  if ([...excludedOf(thread), ...barred(thread, chain)].includes(to.join.id)) throw new UserError("given_excluded");
  return verifying("altered_case", async () => {
    const rule = { seen: 0, floor: chain.serial, isInForce: holdsToday(chain), change: { added: [to.join.id] } };
    const seal = nextSeal(thread, chain, recovery, rule);
    const text = phrase("given_text", { name: to.join.name });
    const author = { id: recovery, signing: keys.signing };
    const { letter, access } = await sealLetterOf(author, { thread, key }, chain, seal, { kind: "hand", text });
    return { letter, access };
  });
}
