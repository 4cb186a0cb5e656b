"""Time and memory of one day's choice, printed as JSON: python -m bench.learning.choice_cost [people]."""

import json
import random
import resource
import sys
import time
from datetime import date, timedelta

from bench.learning.year import course
from content import library as shipped
from content.course.scenario import Scenario
from content.learning.cohort import PRIOR
from content.learning.memories import Review, replay
from content.learning.prices import price_table
from content.learning.selection import Learner, Prompted, choose, replay_sent

RULES, TEXTS = 48, 4
DIFFERENT = 100
"""People whose histories differ; the others have copies of theirs."""
TODAY = date(2026, 11, 30)


def main(people: int) -> None:
    library = course(shipped.load(), RULES, TEXTS)
    start = time.process_time()
    price_table(PRIOR, TEXTS)
    table = time.process_time() - start
    histories = [_history(random.Random(seed), list(library.scenarios.values())) for seed in range(DIFFERENT)]
    memories = replay(histories)
    sent = [replay_sent([Prompted(one.day, one.competency, one.scenario, one.day) for one in h]) for h in histories]
    learners = [
        Learner(number, bytes(bytearray(memories[number % DIFFERENT])), bytes(bytearray(sent[number % DIFFERENT])))
        for number in range(people)
    ]
    before = _peak()
    start = time.process_time()
    choices = choose(library, learners, TODAY)
    seconds = time.process_time() - start
    assert len(choices) == people
    print(json.dumps({"seconds": seconds, "peak": _peak(), "before": before, "table": table}))


def _history(chance: random.Random, scenarios: list[Scenario]) -> list[Review]:
    """An answer to every text, one a day."""
    chance.shuffle(scenarios)
    start = TODAY - timedelta(days=len(scenarios))
    return [
        Review(start + timedelta(days=number), one.competency, one.id, chance.random() < 0.65)
        for number, one in enumerate(scenarios)
    ]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000)
