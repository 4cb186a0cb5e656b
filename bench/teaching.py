"""What a simulated year teaches under the product's choice, compared with round robin, and what the choice costs.

Two worlds (bench/learning/worlds.py), two sizes of the course. Simulated, not measured on people. The product's choice
runs with the prior parameters, and with a cohort near the world's own constants, as after a fit.
"""

import asyncio
import json
import sys

from bench.learning import year
from bench.learning.worlds import world
from bench.learning.year import PricePolicy, RoundRobin
from bench.report import Figure, Row
from content import library as shipped
from content.learning.cohort import PRIOR, Cohort

SIZES = ((24, 4), (32, 6))
FLOOR = 0.5
TARGETS = {("P", 24): 0.888, ("E", 24): 0.342, ("P", 32): 0.850, ("E", 32): 0.319}
"""Scores of the simulation in which this policy was found; its world P forgets less than ours (round robin: 0.852)."""
FITTED = {
    "P": Cohort(decay=0.16, first_right=2.3, first_wrong_ratio=0.1, gain=20, saturation=0.15, lapse_scale=0.6,
                lapse_power=0.3, damping=0.1),
    "E": Cohort(decay=3.0, first_right=1.5, gain=2.6, saturation=0.0, lapse_scale=0.55, lapse_power=0.97, damping=0.0),
}  # fmt: skip
PEOPLE, MOST_SECONDS, MOST_MIB = 60_000, 10, 1024


async def rows(quick: bool) -> list[Row]:
    people = 100 if quick else 1_500
    found = []
    for rules, texts in SIZES[:1] if quick else SIZES:
        for name in ("P", "E"):
            found += [_score(name, rules, texts, people, cohort) for cohort in (PRIOR, FITTED[name])]
    return [*found, await _cost(6_000 if quick else PEOPLE)]


def _score(name: str, rules: int, texts: int, people: int, cohort: Cohort) -> Row:
    course = year.course(shipped.load(), rules, texts)
    price = year.run(world(name, people, rules, 1, FLOOR), course, PricePolicy.start(course, people, cohort), 2)
    in_turn = year.run(world(name, people, rules, 1, FLOOR), course, RoundRobin(course, people), 2)
    parameters = "prior" if cohort == PRIOR else "near the world's"
    note = f"simulated, {people:,} people, floor {FLOOR}, parameters {parameters}"
    target = TARGETS[name, rules]
    return Row(
        f"knowledge 30 days after a year, world {name}, {rules} rules x {texts}",
        Figure([price], ""),
        Figure([in_turn], ""),
        "round robin",
        price / in_turn,
        f"about {target}",
        None,
        note,
    )


async def _cost(people: int) -> Row:
    """Seconds and memory of one day's choice, in a process of its own."""
    command = (sys.executable, "-m", "bench.learning.choice_cost", str(people))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    cost = json.loads(output)
    seconds, peak = cost["seconds"] * PEOPLE / people, cost["peak"]
    return Row(
        f"one day's choice for {people:,} people x 48 rules x 4 texts",
        Figure([cost["seconds"]], "s of CPU"),
        target=f"<= {MOST_SECONDS} s and {MOST_MIB} MiB for {PEOPLE:,}",
        is_met=seconds <= MOST_SECONDS and peak <= MOST_MIB,
        note=f"peak {peak:.0f} MiB, of which {cost['before']:.0f} before; table of prices {cost['table']:.2f} s",
    )
