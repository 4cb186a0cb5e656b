"""Vectors of threads: each rule broken once."""

from typing import Any

from tests.vectors import story
from tests.vectors.collection import Collection
from tests.vectors.primitives import (
    b64,
    digest,
    fixed,
    ident,
    letter_hash,
    other_form,
)
from tests.vectors.story import (
    ANA,
    ANSWER,
    ASK,
    ASKER,
    BEA,
    CARLA,
    CARLA_AGAIN,
    CLOSED,
    DORA,
    HANDED,
    LIST_1,
    LIST_2,
    LIST_3,
    LIST_4,
    NOTE,
    NOTE_TWO,
    NOTES,
    PIN,
    REPLY,
    RESERVE,
    RESUMED,
    RESUMED_WELL,
    RETURNED,
    THREAD,
    TODAY,
    WIDER,
    case_key,
    content,
    grant,
    list_hash,
    written,
)

CHAIN = [LIST_1, LIST_2, LIST_3]
ALL = [*CHAIN, LIST_4]


def ids(*people: story.Person) -> list[str]:
    return sorted(one.id for one in people)


def add_all(to: Collection) -> None:
    whole = {"epoch": 3, "readers": ids(ANA, CARLA, RESERVE), "excluded": [], "last": letter_hash(CLOSED)}
    to.gives("check_thread", "a whole thread", [THREAD, CHAIN, PIN], whole)
    to.gives("check_thread", "a whole thread under a later list", [THREAD, ALL, PIN], whole)
    notes = {"epoch": 1, "readers": ids(ANA, CARLA), "excluded": [], "last": letter_hash(NOTE_TWO)}
    to.gives("check_thread", "notes", [[NOTE, NOTE_TWO], CHAIN, PIN], notes)
    resumed = {"epoch": 2, "readers": ids(ANA, RESERVE), "excluded": ids(CARLA), "last": letter_hash(RESUMED_WELL)}
    to.gives("check_thread", "resumed", [[ASK, ANSWER, RESUMED_WELL], CHAIN, PIN], resumed)
    _order(to)
    first = grant([ANA, BEA], 1, asker=True)
    _wrong_kinds(to, first)
    _wrong_signers(to, first)
    _wrong_officers(to, first)
    _recovery_key(to)
    _wrong_notes(to)
    _grants(to)
    _excluded_under_another_id(to)
    _posted(to)
    _opened(to)
    _seen(to)


def _refused(to: Collection, name: str, letters: list[str], reason: str, lists: list[str] | None = None) -> None:
    to.refuses("check_thread", f"thread: {name}", [letters, lists or CHAIN, PIN], "altered", reason)


def _excluded_under_another_id(to: Collection) -> None:
    """Carla is excluded and joins again: officers grant nothing to her, unless the asker has."""
    lists = [LIST_1, LIST_2, RETURNED]
    bound: dict[str, Any] = {"list": 3, "listhash": list_hash(RETURNED)}
    all_of_them = [ANA, BEA, CARLA_AGAIN]
    by_officer = written(ASK, ANA, "hand", "", given=grant(all_of_them, 2, excluded=(CARLA,)), **bound)
    _refused(to, "an officer grants to one excluded under another id", [ASK, by_officer], "thread.barred", lists)
    by_asker = written(ASK, ASKER, "reply", "", given=grant(all_of_them, 2, excluded=(CARLA,)), **bound)
    after = written(by_asker, ANA, "hand", "", given=grant(all_of_them[1:], 3, excluded=(CARLA,)), **bound)
    out = {"epoch": 3, "readers": ids(BEA, CARLA_AGAIN), "excluded": ids(CARLA), "last": letter_hash(after)}
    to.gives("check_thread", "an officer grants to whom the asker included", [[ASK, by_asker, after], lists, PIN], out)


def _order(to: Collection) -> None:
    _refused(to, "no letters", [], "thread.empty")
    _refused(to, "a letter is missing", [ASK, REPLY], "thread.seq")
    _refused(to, "the first is missing", THREAD[1:], "thread.seq")
    _refused(to, "a letter twice", [ASK, ANSWER, ANSWER], "thread.seq")
    _refused(to, "another order", [ASK, REPLY, ANSWER], "thread.seq")
    _refused(to, "a replaced letter before", [ASK, written(ASK, ANA, "answer", "Otra."), REPLY], "thread.previous")
    _refused(to, "another case", [ASK, written(ASK, ANA, "answer", "", case=ident("x"))], "thread.case")
    _refused(to, "another lane", [ASK, written(ASK, ANA, "note", "", lane=NOTES)], "thread.case")
    _refused(to, "an epoch without a grant", [ASK, written(ASK, ANA, "answer", "", epoch=2)], "thread.epoch")
    given = grant([ANA, BEA], 2, excluded=(CARLA,))
    _refused(
        to,
        "a grant of the same epoch",
        [ASK, written(ASK, ANA, "answer", "", given=given, epoch=1, sealed=content(""))],
        "thread.epoch",
    )
    _refused(
        to, "an epoch left out", [*THREAD[:3], written(REPLY, ANA, "answer", "", given=given, epoch=3)], "thread.epoch"
    )
    _refused(to, "an epoch that falls", [*THREAD[:4], written(WIDER, ANA, "answer", "", epoch=1)], "thread.epoch")
    _refused(to, "the first without a grant", [written(None, ASKER, "ask", "", epoch=1)], "thread.epoch")
    lost = [digest("letter", {})]
    _refused(to, "resumed without a grant", [ASK, written(ASK, ANA, "resume", "", lost=lost)], "thread.resume")
    _refused(
        to,
        "lost and yet there",
        [ASK, written(ASK, ANA, "resume", "", given=given, lost=[letter_hash(ASK)])],
        "thread.lost",
    )
    _refused(to, "an older list than before", [*THREAD[:5], written(HANDED, ANA, "answer", "", list=2)], "thread.list")
    _refused(to, "a newer list than ours", THREAD, "thread.listhash", [LIST_1, LIST_2])
    _refused(to, "a list of another chain", [ASK, written(ASK, ANA, "answer", "", listhash=lost[0])], "thread.listhash")
    for at, letter in enumerate(THREAD):
        start = letter.index('"signature":"') + len('"signature":"')
        form = letter[:start] + other_form(letter[start : letter.index('"', start)]) + '"}'
        given_letters = [*THREAD[:at], form, *THREAD[at + 1 :]]
        out = {"epoch": 3, "readers": ids(ANA, CARLA, RESERVE), "excluded": [], "last": letter_hash(CLOSED)}
        to.gives("check_thread", f"letter {at + 1} with (r, n - s)", [given_letters, CHAIN, PIN], out)


def _wrong_kinds(to: Collection, first: dict[str, Any]) -> None:
    """Letters of a kind that their author may not write."""
    _refused(to, "an officer asks", [written(None, ANA, "ask", "", given=first)], "thread.author")
    _refused(to, "the asker begins with a reply", [written(None, ASKER, "reply", "", given=first)], "thread.kind")
    _refused(to, "the asker asks twice", [ASK, written(ASK, ASKER, "ask", "")], "thread.kind")
    _refused(to, "the asker answers", [ASK, written(ASK, ASKER, "answer", "")], "thread.kind")
    _refused(to, "an officer notes in talk", [ASK, written(ASK, ANA, "note", "")], "thread.kind")


def _wrong_signers(to: Collection, first: dict[str, Any]) -> None:
    """Letters that their author did not sign."""
    _refused(
        to,
        "first letter signed by another",
        [written(None, ASKER, "ask", "", given=first, signer=ANA.signing)],
        "letter.signature",
    )
    _refused(
        to,
        "the asker's letter signed by an officer",
        [ASK, written(ASK, ASKER, "reply", "", signer=ANA.signing)],
        "letter.signature",
    )
    _refused(
        to,
        "an officer's letter signed by another",
        [ASK, written(ASK, ANA, "answer", "", signer=BEA.signing)],
        "letter.signature",
    )


def _wrong_officers(to: Collection, first: dict[str, Any]) -> None:
    """Letters by officers who may not write in the thread, or not yet, or no longer."""
    _refused(to, "an officer who is excluded", [ASK, written(ASK, CARLA, "answer", "")], "thread.author")
    _refused(to, "an officer who is in no list", [ASK, written(ASK, DORA, "answer", "")], "thread.signer")
    _refused(to, "an officer who left", [*THREAD[:5], written(HANDED, BEA, "answer", "")], "thread.signer")
    _refused(
        to,
        "an officer who left and backdates",
        [*THREAD[:5], written(HANDED, BEA, "answer", "", list=2)],
        "thread.list",
    )
    early = written(ASK, CARLA, "answer", "", list=1)
    begun = written(None, ASKER, "ask", "", given=first, list=1)
    _refused(to, "an officer who had not joined", [begun, written(begun, CARLA, "answer", "", list=1)], "thread.signer")
    _refused(to, "an older list than the first", [ASK, early], "thread.list")


def _recovery_key(to: Collection) -> None:
    """The recovery key hands a thread over, and does nothing else."""
    _refused(to, "the recovery key answers", [ASK, written(ASK, RESERVE, "answer", "")], "thread.kind")
    over = written(ASK, RESERVE, "hand", "", given=grant([ANA, RESERVE], 2, excluded=(CARLA,)))
    to.gives(
        "check_thread",
        "the recovery key hands over",
        [[ASK, over], CHAIN, PIN],
        {"epoch": 2, "readers": ids(ANA, RESERVE), "excluded": ids(CARLA), "last": letter_hash(over)},
    )


def _wrong_notes(to: Collection) -> None:
    """Notes by authors who may not write them, or of kinds that they may not have."""
    noted = grant([ANA, CARLA], 1, lane=NOTES)
    _refused(
        to, "the asker begins the notes", [written(None, ASKER, "ask", "", given=noted, lane=NOTES)], "thread.kind"
    )
    _refused(to, "the asker replies in the notes", [NOTE, written(NOTE, ASKER, "reply", "")], "thread.kind")
    _refused(to, "the asker notes", [written(None, ASKER, "reply", "", given=noted, lane=NOTES)], "thread.kind")
    _refused(
        to, "notes begin with an answer", [written(None, ANA, "answer", "", given=noted, lane=NOTES)], "thread.kind"
    )
    _refused(
        to,
        "notes by who does not read them",
        [written(None, BEA, "note", "", given=noted, lane=NOTES)],
        "thread.author",
    )
    _refused(
        to,
        "notes by the recovery key",
        [written(None, RESERVE, "note", "", given=grant([ANA, RESERVE], 1, lane=NOTES), lane=NOTES)],
        "thread.kind",
    )
    _refused(to, "notes begin with a hand", [written(None, ANA, "hand", "", given=noted, lane=NOTES)], "thread.kind")


def _grants(to: Collection) -> None:
    def granted(author: story.Person, readers: list[story.Person], **changes: Any) -> list[str]:
        given = grant(readers, 2, excluded=changes.pop("excluded", (CARLA,)))
        return [ASK, written(ASK, author, changes.pop("kind", "answer"), "", given=given, **changes)]

    _refused(to, "an excluded officer grants herself", granted(CARLA, [ANA, CARLA], excluded=()), "thread.author")
    _refused(to, "an excluded officer is granted", granted(ANA, [ANA, CARLA]), "thread.readers")
    _refused(to, "an officer ends an exclusion", granted(ANA, [ANA, CARLA], excluded=()), "thread.excluded")
    _refused(to, "an officer excludes", granted(ANA, [ANA], excluded=(BEA, CARLA)), "thread.excluded")
    _refused(to, "a granter who is in no list", granted(DORA, [ANA, BEA]), "thread.signer")
    begun = written(None, ASKER, "ask", "", given=grant([ANA, BEA], 1, asker=True))
    for name, readers in (("grants herself", [ANA, CARLA]), ("grants others", [ANA, BEA])):
        taken = written(begun, CARLA, "hand", "", given=grant(readers, 2))
        _refused(to, f"an officer who is no reader {name}", [begun, taken], "thread.author")
    _refused(to, "a reader who is in no list", granted(ANA, [ANA, DORA]), "thread.readers")
    _refused(to, "a reader who left", granted(ANA, [ANA, BEA], list=3), "thread.readers")
    _refused(to, "the recovery key alone", granted(ANA, [RESERVE]), "thread.readers")
    _refused(
        to,
        "the asker excludes a reader who stays",
        granted(ASKER, [ANA, BEA], excluded=(BEA,), kind="reply"),
        "thread.readers",
    )
    _refused(
        to,
        "an excluded officer notes",
        [written(None, ANA, "note", "", given=grant([ANA], 1, lane=NOTES, excluded=(CARLA,)), lane=NOTES)],
        "thread.excluded",
    )
    fewer = granted(ASKER, [ANA], excluded=(BEA, CARLA), kind="reply")
    to.gives(
        "check_thread",
        "the asker excludes",
        [fewer, CHAIN, PIN],
        {"epoch": 2, "readers": ids(ANA), "excluded": ids(BEA, CARLA), "last": letter_hash(fewer[-1])},
    )
    _refused(to, "who was just excluded answers", [*fewer, written(fewer[-1], BEA, "answer", "")], "thread.author")


def _posted(to: Collection) -> None:
    to.gives("check_posted", "posted", [THREAD[:5], CLOSED, CHAIN, PIN, TODAY, None], letter_hash(CLOSED))
    to.gives(
        "check_posted", "posted a day later", [THREAD[:5], CLOSED, CHAIN, PIN, "2026-11-21", None], letter_hash(CLOSED)
    )
    to.gives("check_posted", "a first letter posted", [[], ASK, [LIST_1, LIST_2], PIN, TODAY, None], letter_hash(ASK))
    for name, args, kind, reason in (
        ("an older list", [[ASK], ANSWER, CHAIN, PIN, TODAY, None], "refused", "posted.list"),
        ("two days later", [THREAD[:5], CLOSED, CHAIN, PIN, "2026-11-22", None], "refused", "posted.day"),
        ("two days earlier", [THREAD[:5], CLOSED, CHAIN, PIN, "2026-11-18", None], "refused", "posted.day"),
        ("notes without a talk", [[], NOTE, CHAIN, PIN, TODAY, None], "refused", "posted.readers"),
        ("notes to who does not read the talk", [[], NOTE, CHAIN, PIN, TODAY, [ASK]], "refused", "posted.readers"),
        ("a letter that is there", [THREAD, CLOSED, CHAIN, PIN, TODAY, None], "altered", "thread.seq"),
        (
            "who left and backdates",
            [THREAD[:4], written(WIDER, BEA, "answer", ""), CHAIN, PIN, TODAY, None],
            "refused",
            "posted.list",
        ),
    ):
        to.refuses("check_posted", f"posted: {name}", args, kind, reason)
    to.gives("check_posted", "notes posted", [[], NOTE, CHAIN, PIN, TODAY, THREAD], letter_hash(NOTE))


def _opened(to: Collection) -> None:
    words = [
        "¿Puedo firmar? 🙂",
        "Excúsate.",
        "Gracias. Que Carla lea también.",
        "Ya puede leer.",
        "Bea se fue.",
        "Cerrada.",
    ]
    to.gives("open_thread", "a thread with its newest key", [THREAD, CHAIN, PIN, b64(case_key("talk", 3))], words)
    to.gives(
        "open_thread",
        "notes with their key",
        [[NOTE, NOTE_TWO], CHAIN, PIN, b64(case_key(NOTES, 1))],
        ["Interna.", "De acuerdo."],
    )
    for name, wrong in (("an older key", case_key("talk", 2)), ("another key", fixed("x"))):
        to.refuses("open_thread", f"opened with {name}", [THREAD, CHAIN, PIN, b64(wrong)], "wrong_key", "access.commit")
    given = grant([ANA, BEA], 2, excluded=(CARLA,))
    wrong_before = written(ASK, ANA, "answer", "", given=given, sealed=content("", before=fixed("x")))
    secret = b64(case_key("talk", 2))
    to.refuses(
        "open_thread", "another former key", [[ASK, wrong_before], CHAIN, PIN, secret], "altered", "content.before"
    )
    without = written(ASK, ANA, "answer", "", given=given, sealed=content(""))
    to.refuses("open_thread", "no former key", [[ASK, without], CHAIN, PIN, secret], "altered", "content.before")
    other_key = written(ASK, ANA, "answer", "", secret=fixed("x"))
    to.refuses(
        "open_thread",
        "a letter under another key",
        [[ASK, other_key], CHAIN, PIN, b64(case_key("talk", 1))],
        "altered",
        "letter.body",
    )
    early = written(ASK, ANA, "answer", "", sealed=content("", before=case_key("talk", 1)))
    to.refuses(
        "open_thread",
        "a key without a grant",
        [[ASK, early], CHAIN, PIN, b64(case_key("talk", 1))],
        "altered",
        "content.before",
    )


def _seen(to: Collection) -> None:
    first = letter_hash(ASK)

    def gives(name: str, letters: list[str], seq: int, last: str, out: int) -> None:
        to.gives("check_seen", f"seen: {name}", [letters, CHAIN, PIN, first, seq, last], out)

    def refused(name: str, letters: list[str], seq: int, last: str, reason: str, start: str = first) -> None:
        to.refuses("check_seen", f"seen: {name}", [letters, CHAIN, PIN, start, seq, last], "altered", reason)

    gives("the same", THREAD, 6, letter_hash(CLOSED), 6)
    gives("more than before", THREAD, 2, letter_hash(ANSWER), 2)
    gives("a lost letter that was resumed", [ASK, ANSWER, RESUMED_WELL], 3, letter_hash(REPLY), 2)
    refused("a shorter thread", THREAD[:3], 4, letter_hash(WIDER), "seen.seq")
    refused("another letter", THREAD, 2, letter_hash(REPLY), "seen.hash")
    refused("another first letter", THREAD, 2, letter_hash(ANSWER), "seen.first", letter_hash(NOTE))
    refused("another lost letter", [ASK, ANSWER, RESUMED_WELL], 3, letter_hash(WIDER), "seen.hash")
    gives("a lost letter that a later letter resumed", [ASK, ANSWER, RESUMED_WELL], 2, letter_hash(REPLY), 2)
    lost: dict[str, Any] = {"list": 2, "lost": [letter_hash(REPLY)]}
    given = grant([ANA, BEA], 2, excluded=(CARLA,))
    by_who_left = written(ANSWER, BEA, "resume", "Se perdió.", given=given, **lost)
    refused("resumed by an officer who has left since", [ASK, ANSWER, by_who_left], 3, letter_hash(REPLY), "seen.hash")
    by_asker = written(ANSWER, ASKER, "resume", "Se perdió.", given=grant([ANA], 2), **{**lost, "list": 3})
    gives("resumed by the asker", [ASK, ANSWER, by_asker], 3, letter_hash(REPLY), 2)
    again = written(by_asker, ASKER, "resume", "Otra vez.", given=grant([ANA], 3), list=3, lost=[letter_hash(WIDER)])
    gives("the second of two resumes", [ASK, ANSWER, by_asker, again], 4, letter_hash(WIDER), 3)
    _refused(to, "resumed by an officer who ends an exclusion", [ASK, ANSWER, RESUMED], "thread.excluded")
