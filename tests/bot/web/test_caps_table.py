"""The table of caps in the documents says what the code does."""

import re
from pathlib import Path

from handlers import caps

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
MIB = 1024 * 1024


def test_the_documents_show_every_cap() -> None:
    section = OPERATIONS.read_text(encoding="utf-8").split("\n### Caps\n")[1].split("\n## ")[0]
    rows = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in re.findall(r"^\|.*", section, re.M)[2:]]
    assert caps.OFFICERS_BYTES * 4 == caps.CASE_BYTES == MIB
    assert f"{caps.PERSONS} times a person's" in " ".join(section.split())
    network = caps.PERSONS
    assert rows == [
        ("links into the letterbox", "a chat", f"{caps.LINKS_A_DAY} a day"),
        ("letters in a case", "its asker; its officers", f"{caps.LETTERS_A_DAY} a day each"),
        ("letters of a case", "all; the asker", "1 MiB; three quarters of it"),
        ("posts to the letterbox", "a network", f"{network * caps.POSTS_A_MINUTE} a minute"),
        ("first letters that are tried", "a network", f"{network * caps.FIRST_LETTERS_AN_HOUR} an hour"),
        ("first letters that arrive", "all", f"{caps.ALL_FIRST_LETTERS_AN_HOUR} an hour"),
        (
            "posts in the browser chat",
            "a chat; a network",
            f"{caps.CHAT_POSTS} in {caps.CHAT_SECONDS} seconds; {network * caps.CHAT_POSTS}",
        ),
        (
            "browser chats that begin",
            "a network; all",
            f"{network * caps.CHATS_AN_HOUR} an hour; {caps.ALL_CHATS_AN_HOUR}",
        ),
        ("what custodians' codes open", "a network", f"{network * caps.BOXES_AN_HOUR} an hour"),
        (
            "enrolments in browser chats",
            "a network; all",
            f"{network * caps.ENROLMENTS_AN_HOUR} an hour; {caps.ALL_ENROLMENTS_AN_HOUR}",
        ),
    ]
