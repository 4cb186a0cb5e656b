"""How much one person, one network and all together may ask for; docs/operations.md shows the same table."""

PERSONS = 20
"""A network may do as much as this many persons: all of a ministry may stand behind one address."""

LINKS_A_DAY = 3  # into the letterbox, for one chat; one is enough, and two may be lost
LETTERS_A_DAY = 20  # in one case, by its asker, and as many by the officers; lively threads have five
CASE_BYTES = 1024 * 1024  # of all letters of a case; a letter has 3 to 45 kB, most of them under 6
OFFICERS_BYTES = CASE_BYTES // 4  # of these, kept for officers, so that no asker can end what they may answer

POSTS_A_MINUTE = 30  # of one person to the letterbox, which takes two to read a case and two to write
FIRST_LETTERS_AN_HOUR = 3  # that one person tries to send; each that arrives costs a link
ALL_FIRST_LETTERS_AN_HOUR = 300  # that arrive, so that the unit's queue can still be read; a State writes some a day

CHAT_POSTS, CHAT_SECONDS = 20, 10  # of a browser chat: a press a second is fast
CHATS_AN_HOUR = 3  # that one person begins in a browser
ENROLMENTS_AN_HOUR = 3  # of one person in browser chats; on the platforms an account costs a telephone number
ALL_CHATS_AN_HOUR = ALL_ENROLMENTS_AN_HOUR = 300  # the browser chat is for trying out

BOXES_AN_HOUR = 10  # that one person asks for on the custodians' page: a sitting takes one, and one after each reload
