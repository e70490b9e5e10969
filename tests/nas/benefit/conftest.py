"""Planted studies: samples and trial records whose true effects are known by enumeration."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nas.benefit import BenefitContext
from nas.benefit.questions import SKIP, Question
from nas.benefit.sample import KINDS, Sample
from nas.design import design_rows
from nas.trials import Source, State, TrialRecord
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.spec import InputShape, Kind, Place


@dataclass(frozen=True)
class World:
    """y = sum of tau + gamma * skip_l * skip_(l+1), over stages of equal depth."""

    tau: np.ndarray
    """Value of each kind at each block, shape (blocks, 3); none is 0."""
    stages: int = 2
    gamma: float = 0.0
    num_kinds: int = 2

    @property
    def places(self) -> tuple[Place, ...]:
        depth = len(self.tau) // self.stages
        return tuple(Place(s, b) for s in range(1, self.stages + 1) for b in range(1, depth + 1))

    def mean(self, codes: np.ndarray) -> np.ndarray:
        mains = self.tau[np.arange(len(self.tau)), codes].sum(axis=1)
        on = codes > 0
        return mains + self.gamma * (on[:, 1:] & on[:, :-1]).sum(axis=1)

    def truth(self, question: Question) -> float:
        """Average over all patterns, by enumeration."""
        every = np.array(list(product(range(self.num_kinds), repeat=len(self.tau))))
        blocks = [
            index
            for index, place in enumerate(self.places)
            if question.position in (None, index) and question.stage in (None, place.stage)
        ]
        kinds = [1, 2] if question.kind == SKIP else [KINDS.index(Kind(question.kind))]
        kinds = [kind for kind in kinds if kind < self.num_kinds]
        against = KINDS.index(Kind(question.reference_kind))
        differences = []
        for block, kind in product(blocks, kinds):
            arms = np.repeat(every[None], 2, axis=0)
            arms[0, :, block], arms[1, :, block] = kind, against
            differences.append(self.mean(arms[0]).mean() - self.mean(arms[1]).mean())
        return float(np.mean(differences))

    def sample(self, codes: np.ndarray, value: np.ndarray, repeats: int = 1) -> Sample:
        depth = len(self.tau) // self.stages
        rows = len(codes)
        return Sample(
            places=self.places,
            codes=codes,
            depths=np.full((rows, self.stages), depth),
            value=value,
            cluster=np.repeat(np.arange(rows // repeats), repeats),
            diverged=np.zeros(rows, dtype=bool),
        )

    def draw(
        self,
        rng: np.random.Generator,
        rows: int,
        noise: Callable[[np.random.Generator, np.ndarray], np.ndarray],
        repeats: int = 1,
        spread: float = 0.0,
    ) -> Sample:
        """Draw uniform patterns, each on `repeats` seeds, with a deviation per architecture."""
        num = rows // repeats
        codes = np.repeat(rng.integers(0, self.num_kinds, (num, len(self.tau))), repeats, axis=0)
        deviation = np.repeat(spread * rng.normal(size=num), repeats)
        return self.sample(codes, self.mean(codes) + deviation + noise(rng, codes), repeats)


SPACE = ResidualSpace(
    ResidualSpaceConfig(), InputShape(channels=1, height=8, width=8), num_classes=10
)
PLAIN = SPACE.spec((5, 5, 5), {})
CONTEXT = BenefitContext(
    direction="minimize",
    metric="val/log_loss",
    study_name="planted",
    run_folder="runs/planted",
    num_classes=10,
    kinds=tuple(Kind),
    reference_depths=(5, 5, 5),
    reference_spec=PLAIN,
    recipe={"lr": 0.1, "epochs": 8},
)


def design_trials(rows: int, seed: int = 0, sd: float = 0.1) -> list[TrialRecord]:
    """Rows of the default design: identity takes 0.42 to 0.12 off the log-loss, projection 80%."""
    rng = np.random.default_rng(seed)
    gains = dict(zip(PLAIN.places(), np.linspace(0.42, 0.12, 15), strict=True))
    shares = {Kind.NONE: 0.0, Kind.IDENTITY: 1.0, Kind.PROJECTION: 0.8}
    records = []
    for number, kinds in enumerate(islice(design_rows([*gains], [*Kind], seed), rows)):
        spec = PLAIN.with_kinds(kinds)
        gain = sum(shares[kind] * gains[place] for place, kind in kinds.items())
        loss = float(5 - gain + sd * rng.normal())
        records.append(
            TrialRecord(
                number=number,
                state=State.COMPLETE,
                source=Source.RANDOMISED,
                decisions=SPACE.decisions(spec),
                value=loss,
                spec=spec,
                spec_id=spec.spec_id,
                seed=number,
                lr=0.1,
                metrics={"val_log_loss": loss, "val_accuracy": 1 - loss / 10},
                seconds=2.0,
            )
        )
    return records


def constrained_trials(rows: int = 120) -> list[TrialRecord]:
    """Rows with at most one projection in the last stage and none at its end; others left out."""
    found = []
    for row in design_trials(rows):
        last = row.spec.kinds[10:] if row.spec is not None else ()
        if last.count(Kind.PROJECTION) <= 1 and last[-1] is not Kind.PROJECTION:
            found.append(row)
    return [replace(found[0], rows_left_out=rows - len(found)), *found[1:]]


def anchor_trials(seeds: int = 5, layers: int = 32) -> list[TrialRecord]:
    """Plain and full-identity networks: log-loss about 2.1 and 0.1."""
    rng = np.random.default_rng(layers)
    depth = (layers - 2) // 6
    plain = SPACE.spec((depth,) * 3, {})
    records = []
    for family, kind, centre in (("plain", Kind.NONE, 2.1), ("identity", Kind.IDENTITY, 0.1)):
        spec = plain.with_kinds(dict.fromkeys(plain.places(), kind))
        for seed in range(seeds):
            loss = float(centre + 0.02 * rng.normal())
            records.append(
                TrialRecord(
                    number=1000 * layers + len(records),
                    state=State.COMPLETE,
                    source=Source.ANCHOR,
                    decisions=SPACE.decisions(spec),
                    value=loss,
                    spec=spec,
                    spec_id=spec.spec_id,
                    seed=seed,
                    name=f"{family}-{layers}",
                    metrics={"val_log_loss": loss, "val_accuracy": 1 - loss / 10},
                )
            )
    return records


def finalist_trials(trial: TrialRecord, losses: list[float]) -> list[TrialRecord]:
    """Retrainings of one search trial on fresh seeds, with these losses."""
    return [
        replace(
            trial,
            number=100_000 + 100 * trial.number + seed,
            source=Source.FINALIST,
            of_trial=trial.number,
            seed=500 + seed,
            value=loss,
            metrics={"val_log_loss": loss, "val_accuracy": 1 - loss / 10, "test_accuracy": 0.97},
        )
        for seed, loss in enumerate(losses)
    ]


@dataclass(frozen=True)
class Planted:
    """What the tests draw from."""

    world = World
    design = staticmethod(design_trials)
    constrained = staticmethod(constrained_trials)
    anchors = staticmethod(anchor_trials)
    finalists = staticmethod(finalist_trials)
    context = CONTEXT
    space = SPACE
    plain = PLAIN


@pytest.fixture(scope="session")
def planted() -> Planted:
    return Planted()


@pytest.fixture(autouse=True)
def one_thread():
    """Matrices here are small: threads of the linear algebra would only wait for each other."""
    with threadpool_limits(1):
        yield
