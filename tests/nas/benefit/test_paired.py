"""Paired means against SciPy and by simulation, and the rows of `confirm` from planted trainings."""

import itertools
import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas.benefit.jsonable import jsonable
from nas.benefit.paired import (
    MOST_EXACT,
    confirm_rows,
    paired_mean,
    seed_correlation,
    seed_correlation_of,
    sign_flip_p,
)
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place

CHANCE = math.log(10)


def arms(rng: np.random.Generator, shape: tuple[int, ...], rho: float, effect: float = 0.0):
    """Two arms whose outcomes correlate by rho over the last axis, the first larger by `effect`."""
    shared, one, other = rng.normal(size=(3, *shape))
    a, b = (math.sqrt(rho) * shared + math.sqrt(1 - rho) * own for own in (one, other))
    return a + effect, b


class TestPairedMean:
    def test_interval_is_students_of_the_differences(self) -> None:
        first, second = arms(np.random.default_rng(1), (7,), 0.5)
        found = paired_mean(first, second, family_size=4)
        assert found is not None
        expected = stats.ttest_rel(first, second)
        assert found.ci == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert found.ci_sim == pytest.approx(tuple(expected.confidence_interval(1 - 0.05 / 4)))
        assert (found.n_pairs, found.df) == (7, 6)

    @given(st.lists(st.floats(-9, 9).map(lambda x: round(x, 3)), min_size=2, max_size=9))
    def test_p_is_the_share_of_sign_patterns_by_enumeration(self, values: list[float]) -> None:
        differences = np.array(values)
        sums = [
            abs(np.dot(signs, differences))
            for signs in itertools.product((-1, 1), repeat=len(values))
        ]
        at_least = [s >= abs(differences.sum()) - 1e-9 for s in sums]
        assert sign_flip_p(differences) == pytest.approx(np.mean(at_least))

    def test_p_is_that_of_scipy(self) -> None:
        first, second = arms(np.random.default_rng(2), (10,), 0.3, effect=0.6)
        expected = stats.permutation_test(
            (first, second),
            lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=10_000,
        )
        found = paired_mean(first, second)
        assert found is not None
        assert found.p == pytest.approx(expected.pvalue)
        assert found.p_method == "exact sign flip"

    def test_p_of_many_pairs_is_students(self) -> None:
        first, second = arms(np.random.default_rng(3), (MOST_EXACT + 1,), 0.3, effect=0.6)
        found = paired_mean(first, second)
        assert found is not None
        assert found.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
        assert found.p_method == "t"

    def test_few_or_equal_pairs_have_no_interval(self) -> None:
        assert paired_mean(np.array([]), np.array([])) is None
        one = paired_mean(np.array([0.5]), np.array([0.25]))
        assert one is not None
        assert (one.d_mean, one.ci, one.p) == (0.25, None, None)
        same = paired_mean(np.full(5, 0.5), np.full(5, 0.25))
        assert same is not None
        assert (same.d_mean, same.n_pairs, same.ci, same.rho) == (0.25, 5, None, None)
        # Accuracies that differ by no more than one image's rounding.
        rounded = paired_mean(np.array([0.5, 0.51, 0.5]), np.full(3, 0.25), step=0.1)
        assert rounded is not None
        assert rounded.ci is None


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
class TestSimulation:
    """METHOD: coverage of the interval, and the gain of pairing within 15% of 1 / (1 - rho)."""

    def test_interval_covers_the_truth(self, rho: float) -> None:
        first, second = arms(np.random.default_rng(10), (2000, 5), rho, effect=0.4)
        found = [paired_mean(a, b) for a, b in zip(first, second, strict=True)]
        covered = [f.ci[0] < 0.4 < f.ci[1] for f in found if f is not None and f.ci is not None]
        assert len(covered) == 2000
        assert 0.93 <= np.mean(covered) <= 0.97

    def test_simultaneous_intervals_cover_a_family_that_shares_its_base(self, rho: float) -> None:
        rng = np.random.default_rng(11)
        held, num_flips = [], 12
        for _ in range(400):
            shared = rng.normal(size=6)
            noise = rng.normal(size=(num_flips + 1, 6))
            base, *flips = math.sqrt(rho) * shared + math.sqrt(1 - rho) * noise
            found = [paired_mean(base, flip, family_size=num_flips) for flip in flips]
            held.append(all(f and f.ci_sim and f.ci_sim[0] < 0 < f.ci_sim[1] for f in found))
        assert np.mean(held) >= 0.93

    def test_gain_is_that_of_the_correlation(self, rho: float) -> None:
        first, second = arms(np.random.default_rng(12), (40, 25), rho)
        found = seed_correlation_of(list(zip(first, second, strict=True)))
        assert found is not None
        assert 1 / (1 - found) == pytest.approx(1 / (1 - rho), rel=0.15)
        # What it means: so many times as large is the variance without pairs.
        apart = np.var(first.mean(axis=1)) + np.var(second.mean(axis=1))
        paired = np.var((first - second).mean(axis=1))
        assert apart / paired == pytest.approx(1 / (1 - rho), rel=0.6)


def training(
    number: int,
    spec,
    loss: float,
    base: str,
    flip: str | None,
    replicate: int,
    **changes,
) -> TrialRecord:
    metrics = {
        "val_log_loss": loss,
        "val_accuracy": 1 - loss / 10,
        "test_log_loss": loss + 0.5,
        "test_accuracy": 0.9 - loss / 10,
    }
    return TrialRecord(
        **{
            "number": number,
            "state": State.COMPLETE,
            "source": Source.PAIRED,
            "decisions": {},
            "value": loss,
            "spec": spec,
            "spec_id": spec.spec_id,
            "seed": replicate,
            "base": base,
            "flip": flip,
            "replicate": replicate,
            "metrics": metrics,
            "params": len(spec.skips),
            "macs": 2 * len(spec.skips),
            **changes,
        }
    )


FLIPS = (
    (Place(1, 1), Kind.NONE, 0.3),
    (Place(2, 1), Kind.PROJECTION, -0.2),
    (Place(3, 5), Kind.NONE, 0.0),
)
"""Block, new kind, and what the flip adds to the log-loss."""


def ablation(planted, pairs: int = 6, base: str = "identity-32", kind: Kind = Kind.IDENTITY):
    """Trainings of one base and three of its flips with a strong common part per seed."""
    rng = np.random.default_rng(5)
    network = planted.space.uniform((5, 5, 5), kind)
    rows: list[TrialRecord] = []
    for replicate in range(pairs):
        common = 1 + rng.normal(scale=0.1)
        for place, new, effect in ((None, None, 0.0), *FLIPS):
            spec = network if place is None else network.with_kinds({place: new})
            flip = None if place is None else f"{place}={new}"
            loss = common + effect + rng.normal(scale=0.01)
            rows.append(training(len(rows), spec, loss, base, flip, replicate))
    return rows


class TestConfirmRows:
    def test_rows_say_what_each_skip_is_worth_in_network_order(self, planted) -> None:
        rows = confirm_rows(ablation(planted), planted.context)
        told = [(r["estimand"], r["position"], r["kind"], r["reference_kind"]) for r in rows]
        assert told == [
            ("ABL", 1, "identity", "none"),
            ("KIND", 6, "projection", "identity"),
            ("ABL", 15, "identity", "none"),
        ]
        assert [r["d_mean"] for r in rows] == pytest.approx([0.3, 0.2, 0.0], abs=0.02)
        assert [r["decision"] for r in rows] == ["benefit", "benefit", "inconclusive"]
        assert [r["family_size"] for r in rows] == [2, 1, 2]
        assert {r["split"] for r in rows} == {"test"}
        assert {(r["n_pairs"], r["n_failed"], r["grade"]) for r in rows} == {(6, 0, "paired")}
        assert all(r["rho"] > 0.8 and r["effective_gain"] > 5 for r in rows)
        assert [r["size"] for r in rows[:2]] == ["large", "large"]
        assert rows[0]["delta_params"] == 1
        assert rows[0]["depth"] == 32
        assert rows[0]["base_mean"] == pytest.approx(1.5, abs=0.1)
        for row in rows:
            assert row["ci_sim"][0] <= row["ci"][0] < row["d_mean"] < row["ci"][1]
            assert row["validation"]["d_mean"] == pytest.approx(row["d_mean"], abs=1e-9)
            accuracy = row["metrics"]["test_accuracy"]
            assert accuracy["d_mean"] == pytest.approx(row["d_mean"] / 10, abs=1e-9)

    def test_plain_network_is_told_what_adding_a_skip_is_worth(self, planted) -> None:
        plain = planted.space.uniform((5, 5, 5), Kind.NONE)
        flip = plain.with_kinds({Place(2, 2): Kind.IDENTITY})
        rows = [
            training(2 * k + (text is not None), spec, loss + 0.01 * k, "plain-32", text, k)
            for k in range(4)
            for spec, loss, text in (
                (plain, 2.0, None),
                (flip, 1.5 + 0.02 * k, f"{'stage2.block2'}=identity"),
            )
        ]
        [row] = confirm_rows(rows, planted.context)
        assert (row["estimand"], row["kind"], row["reference_kind"]) == ("ADD", "identity", "none")
        assert row["d_mean"] == pytest.approx(0.47)

    def test_several_blocks_at_once_are_one_row_whose_sign_is_the_changed_networks(
        self, planted
    ) -> None:
        rows = ablation(planted)
        full = planted.space.uniform((5, 5, 5), Kind.IDENTITY)
        network = full.with_kinds({Place(1, 1): Kind.NONE, Place(1, 2): Kind.NONE})
        text = "stage1.block1=none,stage1.block2=none"
        more = [training(100 + k, network, 1.9, "identity-32", text, k) for k in range(6)]
        row = confirm_rows([*rows, *more], planted.context)[-1]
        assert (row["estimand"], row["flip"], row["position"]) == ("JOINT", text, None)
        assert row["d_mean"] < -0.5
        assert row["decision"] == "harm"

    def test_rows_are_in_any_order_and_give_the_same_bytes(self, planted) -> None:
        rows = ablation(planted)
        expected = json.dumps(jsonable(confirm_rows(rows, planted.context)))
        random.Random(3).shuffle(rows)
        assert json.dumps(jsonable(confirm_rows(rows, planted.context))) == expected

    def test_diverged_training_counts_as_one_that_guesses(self, planted) -> None:
        rows = ablation(planted)
        hit = next(i for i, r in enumerate(rows) if r.flip == "stage1.block1=none")
        failed = {"state": State.FAILED, "value": None, "metrics": {}}
        diverged = [*rows]
        diverged[hit] = replace(rows[hit], reason="diverged", **failed)
        row = confirm_rows(diverged, planted.context)[0]
        before = confirm_rows(rows, planted.context)[0]
        moved = CHANCE - (rows[hit].value or 0.0) - 0.5
        assert row["d_mean"] == pytest.approx(before["d_mean"] + moved / 6)
        assert (row["n_pairs"], row["n_failed"]) == (6, 1)
        # For want of memory says nothing: the pair is left out, and counted.
        diverged[hit] = replace(rows[hit], reason="oom", **failed)
        row = confirm_rows(diverged, planted.context)[0]
        assert (row["n_pairs"], row["n_failed"]) == (5, 1)

    def test_networks_that_all_guess_decide_nothing(self, planted) -> None:
        rows = [
            row
            if row.replicate == 0
            else replace(row, state=State.FAILED, reason="diverged", value=None, metrics={})
            for row in ablation(planted)
        ]
        assert {r["decision"] for r in confirm_rows(rows, planted.context)} == {"inconclusive"}

    def test_without_the_test_split_the_validation_split_is_told(self, planted) -> None:
        rows = [
            replace(r, metrics={k: v for k, v in r.metrics.items() if k[:4] == "val_"})
            for r in ablation(planted)
        ]
        found = confirm_rows(rows, planted.context)
        assert {(r["split"], r["validation"]) for r in found} == {("validation", None)}
        assert found[0]["d_mean"] == pytest.approx(0.3, abs=0.02)
        assert set(found[0]["metrics"]) == {"val_accuracy"}

    def test_limit_decides_what_is_negligible(self, planted) -> None:
        context = replace(planted.context, sesoi=0.1)
        rows = confirm_rows(ablation(planted), context)
        assert [r["decision"] for r in rows] == ["benefit", "benefit", "negligible"]
        anchors = planted.anchors()
        # 5% of what the anchors differ by is 0.1 too.
        told = confirm_rows([*ablation(planted), *anchors], planted.context, layers=32)
        assert [r["decision"] for r in told] == ["benefit", "benefit", "negligible"]
        assert confirm_rows(anchors, planted.context) == []

    def test_unfinished_pairs_and_bases_without_trainings_are_left_out(self, planted) -> None:
        rows = ablation(planted)
        running = [
            replace(r, state=State.RUNNING, value=None) if r.replicate > 1 else r for r in rows
        ]
        assert {r["n_pairs"] for r in confirm_rows(running, planted.context)} == {2}
        flips = [row for row in rows if row.flip is not None]
        assert confirm_rows(flips, planted.context) == []


def test_seed_correlation_is_pooled_over_all_pairs(planted) -> None:
    found = seed_correlation(ablation(planted, pairs=20), planted.context)
    assert found == pytest.approx(0.99, abs=0.02)
    assert seed_correlation([], planted.context) is None
