"""How much one person may ask for; docs/operations.md shows the same table."""

LINKS_A_DAY = 3  # into the letterbox, for one chat; one is enough, and two may be lost
