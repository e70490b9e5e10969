"""Would we have seen it: how often reports like this one find effects that were planted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nas.benefit.effects import Analysis
from nas.benefit.plants import EVERYWHERE, ONE_BLOCK, ONE_STAGE, Plants
from nas.benefit.questions import Question
from nas.benefit.replay import Replay, replay
from nas.benefit.sight_words import sentence

SIMULATIONS = 1000
_SEED = 7703
_MULTIPLES = (0.5, 1.0, 2.0, 4.0)
_LEVELS = {
    EVERYWHERE: ("network", "stage", "block"),
    ONE_STAGE: ("stage", "block"),
    ONE_BLOCK: ("block",),
}
_OFTEN = 0.8
"""Share at which an effect counts as one that would have been seen."""
_REACH, _HALVINGS = 6, 7
"""How many doublings that size may be away from the planted one; steps of the search in between."""


def sight(
    analysis: Analysis,
    *,
    unit: str | None = None,
    simulations: int = SIMULATIONS,
    seed: int = _SEED,
) -> dict[str, Any]:
    """Simulate the report's own rows and noise with planted effects, under its own rule.

    The rows, the models and the quantiles of the simultaneous bands are those of the report; noise
    is drawn from its residuals, see `replay`. An effect counts as found when the report would call
    it a benefit: its band is above zero and the levels above it have passed.

    Args:
        analysis: The report's estimates.
        unit: Unit of the metric, for the sentence.
        simulations: How many reports.
        seed: Of the noise; the same rows give the same shares.

    Returns:
        JSON-ready data; nothing where the rows can decide nothing, whatever was planted.
    """
    asked = _asked(analysis)
    planted, source = _planted(analysis, asked)
    if planted is None or not analysis.can_decide:
        return {}
    plants = Plants(analysis.sample, asked)
    trials = _Trials(plants, replay(analysis, asked, plants.matrix, simulations, seed))
    by_size = [row for multiple in _MULTIPLES for row in trials.rows(planted, multiple)]
    beside = (r for r in by_size if (r["level"], r["planted_at"]) == ("block", ONE_STAGE))
    found = {
        "simulations": simulations,
        "rule": "simultaneous band and gatekeeping, with the quantiles of this report",
        "noise": "wild bootstrap of the residuals by architecture",
        "num_rows": analysis.sample.num_rows,
        "planted": planted,
        "planted_source": source,
        "unit": unit,
        "found_share": next(row["found_share"] for row in beside if row["multiple"] == 1),
        "false_alarm_share": trials.claims_of_nothing(),
        "by_size": by_size,
        "found_80": trials.sizes_found(planted),
        "by_place": trials.by_place(planted),
    }
    return found | {"sentence": sentence(found)}


def _asked(analysis: Analysis) -> list[Question]:
    """Return kinds against none at all levels; where no block can be without, KIND."""
    questions = [q for q in analysis.questions if q.span is None]
    own = [q for q in questions if q.estimand in ("AMCE", "AMCE_STAGE", "AMCE_ALL")]
    return own or [q for q in questions if q.estimand == "KIND"]


def _planted(analysis: Analysis, asked: Sequence[Question]) -> tuple[float | None, str]:
    """Return the smallest effect of interest, or else one that the rows can just tell."""
    answers = {q: analysis.answers[q] for q in asked if q in analysis.answers}
    known = {q: found for q, found in answers.items() if 0 < found.se < np.inf}
    if not known:
        return None, ""
    if analysis.worthwhile:
        return analysis.worthwhile, "smallest effect of interest"
    for level in ("block", "stage", "network"):
        sizes = [found.mde for question, found in known.items() if question.level == level]
        if sizes:
            return float(f"{np.median(sizes):.2g}"), f"typical detectable effect, {level}"
    return None, ""


@dataclass(frozen=True)
class _Trials:
    """How often what was planted is found, and what was not."""

    plants: Plants
    replay: Replay

    def claims_of_nothing(self) -> float:
        """Return the share of reports that call anything an effect where nothing is."""
        return float(self.replay.judge(0, 0.0)[1].any(axis=0).mean())

    def _judge(self, column: int, size: float) -> tuple[np.ndarray, float | None]:
        """Return how often each question of a plant is found, and false alarms.

        NaN for questions of others; of the alarms the share of reports that call something else
        an effect, None where there is nothing else.
        """
        helps, decided = self.replay.judge(column, size)
        own = self.plants.is_about(column) & self.plants.is_summary
        idle = self.plants.is_idle(column)
        alarms = float(decided[idle].any(axis=0).mean()) if idle.any() else None
        return np.where(own, helps.mean(axis=1), np.nan), alarms

    def rows(self, planted: float, multiple: float) -> list[dict[str, Any]]:
        """Return the table of one size."""
        size, found = planted * multiple, []
        for where, levels in _LEVELS.items():
            judged = [self._judge(column, size) for column in self.plants.columns(where)]
            alarms = [share for _, share in judged if share is not None]
            found += [
                {
                    "size": size,
                    "multiple": multiple,
                    "planted_at": where,
                    "level": level,
                    **self._summary(level, [shares for shares, _ in judged]),
                    "false_alarm_share": float(np.mean(alarms)) if alarms else None,
                }
                for level in levels
            ]
        return found

    def _summary(self, level: str, judged: Iterable[np.ndarray]) -> dict[str, float | None]:
        """Return mean, smallest and largest share over the places of a level."""
        shares = np.array([share[self.plants.levels == level] for share in judged])
        known = shares[~np.isnan(shares)]
        if not len(known):
            return dict.fromkeys(("found_share", "lowest", "highest"))
        names = ("found_share", "lowest", "highest")
        values = (known.mean(), known.min(), known.max())
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    def sizes_found(self, planted: float) -> list[dict[str, Any]]:
        """Return for each level the size found 80 times in 100; None beyond reach."""
        levels = (("network", EVERYWHERE), ("stage", ONE_STAGE), ("block", ONE_STAGE))
        return [
            {
                "level": level,
                "planted_at": where,
                "size": _smallest(partial(self._share, level, where), planted),
            }
            for level, where in levels
        ]

    def _share(self, level: str, where: str, size: float) -> float:
        judged = (self._judge(column, size)[0] for column in self.plants.columns(where))
        return self._summary(level, judged)["found_share"] or 0.0

    def by_place(self, planted: float) -> list[dict[str, Any]]:
        """Return the shares of every block and kind, with its stage and alone."""
        plants = self.plants
        stages, blocks = (
            [self._judge(column, planted)[0] for column in plants.columns(where)]
            for where in (ONE_STAGE, ONE_BLOCK)
        )
        found = []
        for index, question in enumerate(plants.asked):
            if question.position is None:
                continue
            stage = plants.stages.index(plants.blocks[question.position])
            block = list(plants.blocks).index(question.position)
            found.append(
                {
                    "position": question.position + 1,
                    "stage": question.stage,
                    "block": plants.sample.places[question.position].block,
                    "kind": question.kind,
                    "found_share": float(stages[stage][index]),
                    "found_share_alone": float(blocks[block][index]),
                }
            )
        return found


def _smallest(share: Callable[[float], float], planted: float) -> float | None:
    """Return from which size on a share reaches `_OFTEN`, to better than one in a hundred."""
    sizes = (planted * 2.0**step for step in range(-_REACH, _REACH + 1))
    high = next((size for size in sizes if share(size) >= _OFTEN), None)
    if high is None:
        return None
    low = high / 2
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if share(middle) >= _OFTEN else (middle, high)
    return high
