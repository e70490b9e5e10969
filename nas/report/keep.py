"""Which layers should keep their skip: a verdict per stage and block, from decided effects alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nas.report.effects import Direction, Effect, all_skips, block_effects, effects_of
from nas.report.pairs import Pair, best_pairs, is_best, read_pairs
from search_spaces.spec import Place

_SKIPS = ("identity", "projection", "skip")


class Keep(StrEnum):
    """What may be done with the skip of a block, in the words of the page."""

    KEEP = "keep"
    MAY_GO = "may go"
    WITHOUT = "better without"
    UNKNOWN = "cannot tell"

    @property
    def direction(self) -> Direction:
        """The direction whose colour it has."""
        colours = {Keep.KEEP: Direction.HELPS, Keep.WITHOUT: Direction.HURTS}
        return colours.get(self, Direction.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class StageKeep:
    """The verdicts of one stage."""

    stage: int
    whole: Keep
    """On the mean over its blocks."""
    blocks: Mapping[int, Keep]
    """By block, from 1."""

    @property
    def is_decided(self) -> bool:
        """Whether anything may be said."""
        return {self.whole, *self.blocks.values()} != {Keep.UNKNOWN}

    def blocks_with(self, verdict: Keep) -> list[int]:
        """Return the blocks of a verdict."""
        return [block for block, own in self.blocks.items() if own is verdict]

    @property
    def is_uniform(self) -> bool:
        """Whether all blocks have one verdict each by itself, and it is one."""
        return len(set(self.blocks.values())) == 1 and Keep.UNKNOWN not in self.blocks.values()


def verdict_of(directions: Sequence[Direction]) -> Keep:
    """Say what follows from what each kind of skip does at a place, against none.

    One kind that helps is enough to keep a skip; it may go only where every kind is known to be of
    no use.

    >>> str(verdict_of([Direction.HELPS, Direction.UNKNOWN])), str(verdict_of([]))
    ('keep', 'cannot tell')
    """
    if Direction.HELPS in directions:
        return Keep.KEEP
    if not directions or Direction.UNKNOWN in directions:
        return Keep.UNKNOWN
    return Keep.WITHOUT if set(directions) == {Direction.HURTS} else Keep.MAY_GO


def average_verdicts(benefit: Mapping[str, Any]) -> list[StageKeep]:
    """Return the verdicts on average over networks, from the randomised rows; none without them.

    A space whose blocks all have a skip has none: there is nothing to take away.
    """
    effects = [e for e in block_effects(benefit).values() if e.estimand == "AMCE"]
    stage_level = [e for e in effects_of(benefit, "AMCE_STAGE") if e.kind in _SKIPS]
    blocks: dict[Place, list[Effect]] = {}
    for effect in effects:
        if effect.place is not None:
            blocks.setdefault(effect.place, []).append(effect)
    stages = {e.stage for e in stage_level if e.stage} | {place.stage for place in blocks}
    return [
        StageKeep(
            stage=stage,
            whole=_whole([e for e in stage_level if e.stage == stage]),
            blocks={
                place.block: verdict_of([effect.direction for effect in own])
                for place, own in sorted(blocks.items())
                if place.stage == stage
            },
        )
        for stage in sorted(stages)
    ]


def _whole(effects: Sequence[Effect]) -> Keep:
    """Return the verdict on a stage; the mean over kinds may help where no single kind is sure."""
    kinds = [effect.direction for effect in effects if effect.kind != "skip"]
    any_skip = [effect.direction for effect in effects if effect.kind == "skip"]
    return Keep.KEEP if Direction.HELPS in any_skip else verdict_of(kinds)


def paired_verdicts(flips: Iterable[Pair]) -> dict[int, dict[int, Keep]]:
    """Return the verdicts in one network, by stage and block.

    Args:
        flips: Of its skips to none, or of its blocks without a skip to each kind of skip.
    """
    directions: dict[Place, list[Direction]] = {}
    for one in flips:
        if one.place is not None:
            directions.setdefault(one.place, []).append(one.direction)
    found: dict[int, dict[int, Keep]] = {}
    for place, own in sorted(directions.items()):
        found.setdefault(place.stage, {})[place.block] = verdict_of(own)
    return found


@dataclass(frozen=True, kw_only=True)
class InNetwork:
    """The verdicts in one network."""

    title: str
    verdicts: Mapping[int, Mapping[int, Keep]]
    """By stage and block, where the network has a skip."""
    additions: Mapping[int, Mapping[int, Keep]]
    """By stage and block, where it has none: `keep` where adding one helps."""
    num_pairs: int
    """Fewest pairs of trainings behind one of them."""
    test_looks: int
    """Flips, of all networks, that were compared on the test split; 0 where these were not."""


def in_network(benefit: Mapping[str, Any]) -> InNetwork | None:
    """Return the paired verdicts in the best network, or in one close to it; None without any."""
    found = best_pairs(benefit)
    if found is None:
        return None
    base, every = found
    taken = [one for one in every if one.estimand == "ABL"]
    added = [one for one in every if one.estimand == "ADD"]
    flips = [one for one in (*taken, *added) if one.place is not None]
    title = "In the network with every skip" if base.startswith("identity") else "In a finalist"
    title = "In your best network" if is_best(benefit, flips[0]) else title
    return InNetwork(
        title=f"{title} ({base})",
        verdicts=paired_verdicts(taken),
        additions=paired_verdicts(added),
        num_pairs=min(one.n_pairs for one in flips),
        test_looks=_test_looks(benefit) if any(one.split == "test" for one in flips) else 0,
    )


def _test_looks(benefit: Mapping[str, Any]) -> int:
    every = [one for flips in read_pairs(benefit).values() for one in flips]
    return sum(one.split == "test" and one.estimate is not None for one in every)


def answer(stages: Sequence[StageKeep], benefit: Mapping[str, Any]) -> str:
    """Say in a sentence or two which skips to keep, on average over networks."""
    parts: list[str] = []
    for verdict, words in (
        (Keep.KEEP, "Keep those of {}."),
        (Keep.WITHOUT, "Better without: {}."),
        (Keep.MAY_GO, "May go, one at a time: {}."),
    ):
        if named := _named(stages, verdict):
            parts.append(words.format(named))
    left = [one.stage for one in stages if not one.is_decided]
    if parts and left:
        parts.append(f"Cannot tell for stage{'s' if len(left) > 1 else ''} {listed(left)}.")
    if parts:
        return " ".join(parts)
    overall = all_skips(benefit)
    if overall is not None and overall.direction is Direction.HELPS:
        return "Cannot tell which: skips help on average, but no stage or block is decided yet."
    return "Cannot tell yet: no stage and no block is decided."


def _named(stages: Sequence[StageKeep], verdict: Keep) -> str:
    """Name whole stages of a verdict, then single blocks of the others."""
    whole = [s.stage for s in stages if s.whole is verdict or _is_all(s, verdict)]
    texts: list[str] = []
    if whole:
        is_mean = any(not _is_all(s, verdict) for s in stages if s.stage in whole)
        how = ", each as a whole" if len(whole) > 1 else ", as a whole"
        named = f"stage{'s' if len(whole) > 1 else ''} {listed(whole)}"
        texts.append(named + (how if is_mean and verdict is not Keep.MAY_GO else ""))
    for one in stages:
        blocks = one.blocks_with(verdict)
        if one.stage not in whole and blocks:
            many = "s" if len(blocks) > 1 else ""
            texts.append(f"stage {one.stage} block{many} {listed(blocks)}")
    return "; ".join(texts)


def _is_all(one: StageKeep, verdict: Keep) -> bool:
    return one.is_uniform and verdict in one.blocks.values()


def listed(numbers: Sequence[int]) -> str:
    """Write ascending numbers, runs of three and more as ranges.

    >>> listed([1, 2, 3, 5]), listed([1, 2]), listed([4])
    ('1 to 3 and 5', '1 and 2', '4')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts: list[str] = []
    for run in runs:
        texts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(number) for number in run]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)
