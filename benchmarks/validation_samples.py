"""Validation against planted truth, the tests that look at samples: bias, coverage, errors, ranks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
from scipy.stats import norm as normal
from scipy.stats import t as student

from benchmarks.figures import Figure, kendall
from benchmarks.planted import World, three_kinds, twelve_blocks
from nas.benefit.effects import BENEFIT, HARM, NEGLIGIBLE, Analysis, analyse
from nas.benefit.profile import ranking
from nas.benefit.sample import KINDS, Sample
from nas.design import design_rows
from nas.design_mirrored import fold_overs
from search_spaces.spec import Kind

ROWS = 96
DRAWS = 500
"""Of the bootstrap, fewer than in a report: a simulation has hundreds of them."""
_ZERO = np.zeros((12, 1))


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """What many studies of one world gave at its blocks; (studies, blocks, kinds - 1)."""

    estimates: np.ndarray
    half: np.ndarray
    half_sim: np.ndarray
    decisions: np.ndarray
    truth: np.ndarray
    analyses: tuple[Analysis, ...]

    @property
    def pointwise(self) -> float:
        """Share of the intervals that hold the truth."""
        return float((np.abs(self.estimates - self.truth) <= self.half).mean())

    @property
    def simultaneous(self) -> float:
        """Share of the studies all of whose bands hold the truth."""
        inside = np.abs(self.estimates - self.truth) <= self.half_sim
        return float(inside.reshape(len(inside), -1).all(axis=1).mean())

    @property
    def largest_z(self) -> float:
        """Largest |mean error| over its Monte-Carlo standard error."""
        errors = self.estimates - self.truth
        standard = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
        return float(np.abs(errors.mean(axis=0) / standard).max())


Draw = Callable[[World, np.random.Generator, int], Sample]


def drawn(world: World, rng: np.random.Generator, rows: int) -> Sample:
    """Draw kinds one by one."""
    codes = world.draw_codes(rng, rows)
    return world.sample(codes, world.values(rng, codes))


def twice(world: World, rng: np.random.Generator, rows: int) -> Sample:
    """Train half as many networks on two seeds each."""
    codes = np.repeat(world.draw_codes(rng, rows // 2), 2, axis=0)
    return world.sample(codes, world.values(rng, codes, repeats=2), repeats=2)


def balanced(world: World, rng: np.random.Generator, rows: int) -> Sample:
    """Take the balanced random design of studies."""
    design = design_rows(world.places, world.kinds, int(rng.integers(2**31)))
    return _of_design(world, rng, islice(design, rows))


def mirrored(world: World, rng: np.random.Generator, rows: int) -> Sample:
    """Take the mirrored design of studies."""
    design = chain.from_iterable(fold_overs(world.places, world.kinds, int(rng.integers(2**31))))
    return _of_design(world, rng, islice(design, rows))


def _of_design(world: World, rng: np.random.Generator, design: Iterator[dict]) -> Sample:
    codes = np.array([[KINDS.index(row[place]) for place in world.places] for row in design])
    return world.sample(codes, world.values(rng, codes))


def repeat(
    world: World, draw: Draw, studies: int, *, rows: int = ROWS, limit: float = 0.1, seed: int = 0
) -> Repeated:
    """Simulate studies of a world and estimate each."""
    analyses, kinds = [], world.kinds
    for study in range(studies):
        sample = draw(world, np.random.default_rng((seed, study)), rows)
        analyses.append(analyse(sample, kinds, limit, draws=DRAWS))
    asked = [q for q in analyses[0].questions if q.estimand == "AMCE" and q.position is not None]
    shape = (studies, len(world.tau), world.num_kinds - 1)

    def of(name: str) -> np.ndarray:
        found = [[getattr(own.answers[q], name) for q in asked] for own in analyses]
        return np.array(found).reshape(shape)

    decisions = np.array([[own.decisions[q] for q in asked] for own in analyses]).reshape(shape)
    return Repeated(
        estimates=of("estimate"),
        half=of("half_width"),
        half_sim=of("half_width_sim"),
        decisions=decisions,
        truth=world.effects,
        analyses=tuple(analyses),
    )


def unbiased(studies: int) -> list[Figure]:
    """Mean errors at every block within three Monte-Carlo standard errors."""
    cases = {
        "drawn one by one": (twelve_blocks(), drawn),
        "balanced design": (twelve_blocks(), balanced),
        "mirrored design": (twelve_blocks(), mirrored),
        "three kinds": (three_kinds(), balanced),
    }
    return [
        Figure(
            test="unbiased",
            case=case,
            what="largest |mean error| in Monte-Carlo standard errors",
            value=repeat(world, draw, studies, seed=100 + number).largest_z,
            high=3,
            n=studies,
            # As unlikely as 3 is where errors are known.
            slack=float(student.isf(normal.sf(3), studies - 1)) - 3,
            note=f"{world.effects.size} effects",
        )
        # Seeds of their own: what one case has by chance the others must not share.
        for number, (case, (world, draw)) in enumerate(cases.items())
    ]


def coverage(studies: int) -> list[Figure]:
    """Intervals and bands that hold the truth."""
    world = twelve_blocks()
    cases: dict[str, tuple[World, Draw]] = {
        "even noise": (world, drawn),
        "noise x3 without the first skip": (
            replace(world, noise="wild without the first skip"),
            drawn,
        ),
        "t(3) noise": (replace(world, noise="heavy tails"), drawn),
        "two seeds per network": (replace(world, sd_network=0.4, sd=0.35), twice),
        "balanced design": (world, balanced),
        "mirrored design": (world, mirrored),
        "three kinds": (three_kinds(), balanced),
    }
    figures = []
    for case, (own, draw) in cases.items():
        found = repeat(own, draw, studies)
        for what, value in (
            ("95% intervals that hold", found.pointwise),
            ("studies whose bands all hold", found.simultaneous),
        ):
            note = "wider than need be" if value > 0.99 else ""
            figures.append(
                Figure(
                    test="coverage", case=case, what=what, value=value, low=0.93, n=studies,
                    note=note, slack=_slack(0.95, studies, 400),
                )
            )  # fmt: skip
    return figures


def null_size(studies: int) -> list[Figure]:
    """False findings where no skip does anything, and false "negligible" at the limit."""
    null = World(tau=_ZERO, depths=(4, 4, 4), sd=0.5)
    found = repeat(null, drawn, studies)
    wrong = np.isin(found.decisions, (BENEFIT, HARM)).reshape(studies, -1).any(axis=1).mean()
    bands = np.abs(found.estimates) > found.half_sim
    ungated = bands.reshape(studies, -1).any(axis=1).mean()
    # The gate lets nothing through where nothing is; the rule itself is asked at its limit.
    limit = 0.4
    edge = World(tau=np.where(np.arange(12)[:, None] == 5, limit, 1.0), depths=(4, 4, 4), sd=0.5)
    at_limit = repeat(edge, drawn, studies, limit=limit)
    negligible = (at_limit.decisions[:, 5, 0] == NEGLIGIBLE).mean()
    slack = _slack(0.05, studies, 400)
    return [
        Figure(test="null size", case="no effect anywhere", what=what, value=float(value),
               high=0.07, n=studies, slack=slack)
        for what, value in (
            ("studies with a false finding, any block", wrong),
            ("the same without the gate", ungated),
        )
    ] + [
        Figure(test="null size", case="an effect of exactly the limit",
               what="called negligible", value=float(negligible), high=0.07, n=studies,
               slack=slack)
    ]  # fmt: skip


def power(studies: int) -> list[Figure]:
    """An effect as large as the reported detectable one is found in 8 of 10 studies."""
    null = World(tau=_ZERO, depths=(4, 4, 4), sd=0.5)
    pilot = repeat(null, drawn, min(studies, 100), seed=1)
    asked = pilot.analyses[0].questions
    block = next(q for q in asked if q.position == 5 and q.estimand == "AMCE")
    mde = float(np.median([own.answers[block].mde for own in pilot.analyses]))
    tau = np.zeros((12, 1))
    tau[5] = mde
    found = repeat(replace(null, tau=tau), drawn, studies, seed=2)
    low = found.estimates[:, 5, 0] - found.half[:, 5, 0]
    high = found.estimates[:, 5, 0] + found.half[:, 5, 0]
    return [
        Figure(
            test="power",
            case="an effect of the reported mde",
            what="95% intervals that leave out zero",
            value=float(((low > 0) | (high < 0)).mean()),
            low=0.70,
            high=0.90,
            n=studies,
            note=f"mde {mde:.2f} at {ROWS} rows",
            slack=_slack(0.8, studies, 400),
        )
    ]


def ranks(studies: int) -> list[Figure]:
    """Order of the blocks, and whether the chance to be among the first three is true."""
    world = twelve_blocks()
    found = repeat(world, drawn, studies)
    truth = world.effects[:, 0]
    taus = [kendall(own[:, 0], truth) for own in found.estimates]
    top = np.isin(np.arange(12), np.argsort(-truth)[:3]).astype(float)
    said = np.array([_chances(own) for own in found.analyses])
    brier, base = float(((said - top) ** 2).mean()), float(((top.mean() - top) ** 2).mean())
    return [
        Figure(test="ranking", case="12 blocks", what="mean Kendall tau with the truth",
               value=float(np.mean(taus)), low=0.75, n=studies, slack=0.02),
        Figure(test="ranking", case="12 blocks", what="Brier score of P(top 3) over the base rate's",
               value=brier / base, high=1.0, n=studies),
    ]  # fmt: skip


def _chances(analysis: Analysis) -> list[float]:
    rows = [row for row in ranking(analysis) if row["kind"] == Kind.IDENTITY.value]
    return [row["p_top3"] for row in sorted(rows, key=lambda row: row["position"])]


def _slack(share: float, studies: int, full: int) -> float:
    """Return what a share may miss its bound by where studies are few.

    The bounds leave two Monte-Carlo standard errors of a full run already; with fewer studies it
    is three of theirs.
    """
    if studies >= full:
        return 0.0
    error = np.sqrt(share * (1 - share))
    return float(error * (3 / np.sqrt(studies) - 2 / np.sqrt(full)))
