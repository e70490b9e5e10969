"""Studies without training whose true effects are known by enumeration."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from nas.benefit.sample import KINDS, Sample
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place

Noise = Literal["even", "wild without the first skip", "heavy tails"]

WILD = 3.0
"""How many times as large the noise is where the first block has no skip."""


@dataclass(frozen=True, kw_only=True)
class World:
    """y = sum of tau + gamma * (skip at l) * (skip at l + 1) + deviation of the network + noise.

    Positive = better.
    """

    tau: np.ndarray
    """Value of identity, and where there is a second column of projection, (blocks, kinds - 1)."""
    depths: tuple[int, ...]
    """Blocks per stage; their sum is the number of blocks."""
    gamma: float = 0.0
    sd: float = 0.5
    noise: Noise = "even"
    sd_network: float = 0.0
    """Standard deviation between networks of what the effects do not say."""

    @property
    def num_kinds(self) -> int:
        """None included."""
        return self.tau.shape[1] + 1

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds that every block may have."""
        return KINDS[: self.num_kinds]

    @property
    def places(self) -> tuple[Place, ...]:
        """The blocks in network order."""
        depths = enumerate(self.depths, start=1)
        return tuple(Place(stage, block + 1) for stage, d in depths for block in range(d))

    def mean(self, codes: np.ndarray) -> np.ndarray:
        """Return the expected value of each row of codes, (rows,)."""
        tau = np.column_stack([np.zeros(len(self.tau)), self.tau])
        on = codes > 0
        mains = tau[np.arange(len(tau)), codes].sum(axis=1)
        return mains + self.gamma * (on[:, 1:] & on[:, :-1]).sum(axis=1)

    @cached_property
    def effects(self) -> np.ndarray:
        """AMCE of every kind against none at every block, (blocks, kinds - 1), by enumeration."""
        every = np.array(list(product(range(self.num_kinds), repeat=len(self.tau))))
        values, found = self.mean(every), np.zeros_like(self.tau)
        for block in range(len(self.tau)):
            means = [values[every[:, block] == code].mean() for code in range(self.num_kinds)]
            found[block] = np.array(means[1:]) - means[0]
        return found

    def draw_codes(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """Draw every block of every row by itself."""
        return rng.integers(0, self.num_kinds, (rows, len(self.tau)))

    def values(self, rng: np.random.Generator, codes: np.ndarray, repeats: int = 1) -> np.ndarray:
        """Measure rows; `repeats` rows that follow each other are one network on other seeds."""
        rows = len(codes)
        if self.noise == "heavy tails":
            # The variance of t with 3 degrees of freedom is 3.
            noise = self.sd / np.sqrt(3) * rng.standard_t(3, rows)
        else:
            noise = self.sd * rng.normal(size=rows)
        if self.noise == "wild without the first skip":
            noise *= np.where(codes[:, 0] == 0, WILD, 1.0)
        own = np.repeat(rng.normal(size=rows // repeats), repeats)
        return self.mean(codes) + self.sd_network * own + noise

    def sample(self, codes: np.ndarray, values: np.ndarray, repeats: int = 1) -> Sample:
        """Return rows as the estimator takes them."""
        rows = len(codes)
        return Sample(
            places=self.places,
            codes=codes,
            depths=np.tile(np.array(self.depths), (rows, 1)),
            value=values,
            cluster=np.repeat(np.arange(rows // repeats), repeats),
            diverged=np.zeros(rows, dtype=bool),
        )

    def records(
        self,
        codes: np.ndarray,
        values: Sequence[float | None],
        *,
        first: int = 0,
        source: Source = Source.RANDOMISED,
    ) -> list[TrialRecord]:
        """Return rows as trials that minimise -value; None is a training that diverged."""
        return [
            TrialRecord(
                number=first + index,
                state=State.FAILED if value is None else State.COMPLETE,
                reason="diverged" if value is None else None,
                source=source,
                decisions=self._decisions(row),
                value=None if value is None else -float(value),
                seed=first + index,
            )
            for index, (row, value) in enumerate(zip(codes, values, strict=True))
        ]

    def _decisions(self, row: np.ndarray) -> dict[str, str | int]:
        found: dict[str, str | int] = {
            f"depth.stage{stage}": depth for stage, depth in enumerate(self.depths, start=1)
        }
        names = zip(self.places, row, strict=True)
        return found | {f"skip.{place}": KINDS[code].value for place, code in names}


def twelve_blocks(*, gamma: float = 0.3, sd: float = 0.5) -> World:
    """The reference: effects from 0 to 1, interactions of neighbours.

    Source:
        The planted test that the method's comparison of estimators is made with: 12 blocks, main
        effects 0 to 1.0, sd 0.5, adjacent interaction 0.3.
    """
    tau = np.linspace(0, 1, 12)[:, None]
    order = np.random.default_rng(12).permutation(12)
    return World(tau=tau[order], depths=(4, 4, 4), gamma=gamma, sd=sd)


def three_kinds() -> World:
    """Eight blocks, identity and projection with effects of their own."""
    identity = np.linspace(0.6, 0.0, 8)
    return World(
        tau=np.column_stack([identity, 0.6 * identity - 0.1]), depths=(4, 4), gamma=-0.2, sd=0.4
    )
