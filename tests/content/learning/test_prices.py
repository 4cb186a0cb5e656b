"""Prices of questions: what a table must look like whatever the cohort, and that numpy waits until it is needed."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from content.learning import curve, prices
from content.learning.cohort import PRIOR, Cohort
from content.learning.course_index import course_index
from content.learning.memories import Review, replay
from content.learning.packing import stored_day
from content.learning.prices import DAYS, FINE, price_table, state_index
from content.learning.standing import standing
from tests.content.learning.course import COMPETENCIES, LIBRARY, TODAY, texts_of
from tests.imports import ROOT

COHORTS = {
    "prior": PRIOR,
    "power law": Cohort(decay=0.16, first_right=2.3, first_wrong_ratio=0.1, gain=20, lapse_power=0.3),
    "exponential": Cohort(decay=3, first_right=1.5, gain=2.6, saturation=0, lapse_scale=0.55, lapse_power=1, damping=0),
}


@pytest.fixture(params=list(COHORTS.values()), ids=list(COHORTS))
def cohort(request: pytest.FixtureRequest) -> Cohort:
    found: Cohort = request.param
    return found


def test_the_table_has_every_state(cohort: Cohort) -> None:
    found = price_table(cohort, 4)
    assert found.table.shape == (3, 2, 4, FINE, DAYS)
    assert found.table.dtype == np.float32
    assert np.isfinite(found.table).all()
    assert (found.table > 0).all()
    assert (found.table <= 300).all()
    assert found.new.shape == (3, 2)


def test_each_state_of_the_table_is_looked_up_at_its_own_place() -> None:
    states = np.linspace(np.log(0.1), np.log(3000), FINE)
    assert state_index(states).tolist() == list(range(FINE))
    assert state_index(states + 0.4 * (states[1] - states[0])).tolist() == list(range(FINE))
    assert state_index(np.array([-9.0, 20.0])).tolist() == [0, FINE - 1]


def test_what_is_well_known_is_not_worth_asking(cohort: Cohort) -> None:
    table = price_table(cohort, 4).table
    stable, unstable = state_index(np.log(np.array([1000.0, 5.0])))
    assert (table[:, :, :, stable, 30] < 1).all()
    assert (table[:, 0, 0, unstable, 60] > 10).all()


def test_a_question_is_worth_more_the_longer_the_last_is_ago(cohort: Cohort) -> None:
    """For a rule that is held for weeks: right after an answer little is gained by another."""
    months = price_table(cohort, 4).table[:, :, 0, int(state_index(np.log(np.array(20.0)))), :]
    assert (months[..., 0] < months[..., 20]).all()
    assert (months[..., 20] < months[..., 60]).all()


def test_a_new_rule_is_worth_more_to_those_who_do_not_know_it(cohort: Cohort) -> None:
    new = price_table(cohort, 4).new
    assert (new[:, 0] > new[:, 1]).all()


@pytest.mark.parametrize(("is_right", "knew"), [(None, 0.4), (False, 0.3693), (True, 0.4228)])
def test_a_new_rule_has_the_mean_price_over_paces_and_over_having_known_it(is_right: bool | None, knew: float) -> None:
    """Who knew one rule beforehand is more likely to have known the others, too."""
    index = course_index(LIBRARY)
    assert index is not None
    history = [] if is_right is None else [Review(TODAY, COMPETENCIES[0], texts_of(COMPETENCIES[0])[0], is_right)]
    found = standing(index, replay([history]), [b""], stored_day(TODAY), PRIOR)
    new = price_table(PRIOR, index.variants).new
    mean = sum(weight * ((1 - knew) * new[pace, 0] + knew * new[pace, 1]) for pace, weight in enumerate((1, 2, 1))) / 4
    assert found.price[~found.is_met].tolist() == pytest.approx([mean] * (~found.is_met).sum(), rel=1e-3)


def test_with_more_texts_a_rule_may_be_asked_again_sooner_and_is_worth_more_to_those_who_forget(cohort: Cohort) -> None:
    many, one = price_table(cohort, 4), price_table(cohort, 1)
    forgotten_in_a_day = int(state_index(np.log(np.array(1.0))))
    assert (many.new >= one.new).all()
    assert (many.table[:, 0, 0, forgotten_in_a_day, 0] > one.table[:, 0, 0, forgotten_in_a_day, 0]).all()


def test_the_table_is_computed_once_for_a_cohort() -> None:
    assert price_table(replace(PRIOR), 4) is price_table(PRIOR, 4)


def test_the_recall_after_as_many_days_as_the_stability_is_nine_tenths(cohort: Cohort) -> None:
    days = np.array([0.1, 1, 30, 3000])
    assert curve.recall(days, np.log(days), cohort) == pytest.approx(0.9)


@pytest.mark.process
@pytest.mark.parametrize("code", ["import content.library", "import content.learning.selection", "import bot.cli.main"])
def test_numpy_is_imported_at_first_use_only(code: str) -> None:
    """A command such as `integra --help` starts without it."""
    check = f"{code}; import sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


def test_a_finer_grid_of_prices_finds_nearly_the_same(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices between those for which plans are computed are interpolated: twice as many plans move few of them."""
    coarse = price_table(cohort, 4)
    monkeypatch.setattr(prices, "PRICES", 2 * prices.PRICES - 1)
    fine = price_table.__wrapped__(cohort, 4)
    matters = fine.table > 1
    assert np.median(np.abs(np.log(coarse.table / fine.table))[matters]) < 0.035
    assert np.abs(np.log(coarse.new / fine.new)).max() < 0.04
