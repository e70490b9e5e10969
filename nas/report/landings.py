"""At which blocks skips of each span end: shares among some trials, beside the expected ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas.report.data import ReportData
from nas.report.numbers import is_number, mapping
from nas.report.svg import NARROW, figure, mark, text, titled
from nas.spans import all_spans_of
from nas.trials import Source, TrialRecord
from search_spaces.places import Place

Spans = tuple[int, ...]
"""Spans of the skips that end at one block."""

_MOST_COLUMNS = 18
_ROW, _TOP = 38, 44


@dataclass(frozen=True, kw_only=True)
class Cell:
    """How often a skip of some span ends at some blocks; for span 0, how often no skip does."""

    num: int
    """Blocks at which it does, over all trials looked at."""
    of: int
    """Blocks that there are."""
    expected: float | None
    """Share in the random design; None where it is not known."""
    is_best: bool = False
    """Whether the best network has it."""

    @property
    def share(self) -> float:
        """Share of the blocks."""
        return self.num / self.of if self.of else 0.0


@dataclass(frozen=True, kw_only=True)
class Landings:
    """Spans of all skips that end at every block of some trials; empty where none does.

    Where several skips end at one addition, a block counts for each of their spans.
    """

    trials: Sequence[Mapping[Place, Spans]]
    best: Mapping[Place, Spans]
    """Those of the best network; empty where none is known."""
    chances: Mapping[Place, Mapping[int, float]]
    """Chance that a skip of each span ends at a block of the random design; 0: that none does."""
    is_uniform: bool
    """Whether the chances are those of the design, not frequencies of its rows."""
    one_each_drawn: bool = True
    """Whether at most one skip ends at a block of the random design."""

    @property
    def places(self) -> list[Place]:
        """Blocks that occur, in network order."""
        return sorted({place for trial in self.trials for place in trial})

    @property
    def spans(self) -> list[int]:
        """Spans that occur or could, ascending."""
        seen = {span for trial in self.trials for spans in trial.values() for span in spans}
        seen |= {span for own in self.chances.values() for span in own}
        return sorted(seen | {0, 1})

    @property
    def has_several(self) -> bool:
        """Whether more than one skip ends at some block of these trials."""
        return any(len(spans) > 1 for trial in self.trials for spans in trial.values())

    @property
    def has_expected(self) -> bool:
        """Whether shares can be compared with chances."""
        return bool(self.chances)

    def total(self, span: int) -> Cell:
        """Return the share of a span over all blocks."""
        return self.cell(span, self.places)

    def cell(self, span: int, places: Sequence[Place]) -> Cell:
        """Return the share of a span over some blocks, wherever a trial has them."""
        pairs = [(trial, place) for trial in self.trials for place in places if place in trial]
        known = [_chance(self.chances[p], span, t, p) for t, p in pairs if p in self.chances]
        return Cell(
            num=sum(_ends(trial[place], span) for trial, place in pairs),
            of=len(pairs),
            expected=sum(known) / len(known) if known and len(known) == len(pairs) else None,
            is_best=any(_ends(self.best[place], span) for place in places if place in self.best),
        )


def _ends(spans: Spans, span: int) -> bool:
    return span in spans if span else not spans


def _chance(
    chances: Mapping[int, float], span: int, trial: Mapping[Place, Spans], place: Place
) -> float:
    """Return the chance of a span in the network of a trial, which may be shallower."""
    if span == 0:
        return chances.get(0, 0.0)
    available = sum(other <= place for other in trial)
    every = sum(chance for own, chance in chances.items() if own)
    possible = sum(chance for own, chance in chances.items() if 0 < own <= available)
    if span > available or not possible:
        return 0.0
    # Skips that cannot begin there are as likely to have another span.
    return chances.get(span, 0.0) * every / possible


def landings_of(data: ReportData, trials: Sequence[TrialRecord]) -> Landings:
    """Collect where the skips of some trials end.

    Args:
        data: The report; it knows the best network and the random design.
        trials: The trials to look at.
    """
    drawn = [all_spans_of(t) for t in data.trials if t.source is Source.RANDOMISED]
    one_each = all(len(spans) <= 1 for row in drawn for spans in row.values())
    chances = _design_chances(data) if one_each else {}
    number = mapping(mapping(data.benefit.get("search")).get("incumbent")).get("trial")
    named = [trial for trial in data.trials if trial.number == number]
    best = (named or list(trials))[0]
    name = mapping(data.benefit.get("reference_distribution")).get("name")
    return Landings(
        trials=[all_spans_of(trial) for trial in trials],
        best=all_spans_of(best),
        chances=chances or _frequencies(drawn),
        is_uniform=bool(chances) and name == "uniform",
        one_each_drawn=one_each,
    )


def _design_chances(data: ReportData) -> dict[Place, dict[int, float]]:
    """Return the chance of each span at each block, as the data names it."""
    distribution = mapping(data.benefit.get("reference_distribution"))
    spans = mapping(distribution.get("per_position_span_probs"))
    found: dict[Place, dict[int, float]] = {}
    for name, kinds in mapping(distribution.get("per_position_probs")).items():
        none = mapping(kinds).get("none", 0.0)
        own = mapping(spans.get(name))
        if not own or not is_number(none):
            return {}
        shares = {int(span): (1 - none) * _number(share) for span, share in own.items()}
        found[Place.parse(str(name))] = {0: float(none)} | shares
    return found


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0


def _frequencies(rows: Sequence[Mapping[Place, Spans]]) -> dict[Place, dict[int, float]]:
    found: dict[Place, dict[int, float]] = {}
    for place in sorted({place for row in rows for place in row}):
        own = [row[place] for row in rows if place in row]
        spans = sorted({0, *(span for ends in own for span in ends)})
        found[place] = {span: sum(_ends(e, span) for e in own) / len(own) for span in spans}
    return found


def landings_svg(landings: Landings, title: str, width: float) -> str:
    """Draw a table of shares: a row per span, a column per block, or per stage without room."""
    narrow = width <= NARROW
    places = landings.places
    stages = sorted({place.stage for place in places})
    by_block = len(places) <= (6 if narrow else _MOST_COLUMNS)
    groups = (
        [[place] for place in places]
        if by_block
        else [[place for place in places if place.stage == stage] for stage in stages]
    )
    left = 60 if narrow else 76
    step = min(96.0, (width - left) / max(len(groups), 1))
    body: list[str] = []
    for stage in stages:
        columns = [index for index, group in enumerate(groups) if group[0].stage == stage]
        middle = left + step * (columns[0] + columns[-1] + 1) / 2
        words = f"S{stage}" if narrow and by_block else f"stage {stage}"
        body.append(text(middle, 14, words, "strong", "middle"))
    for index, group in enumerate(groups):
        words = f"{'' if narrow else 'block '}{group[0].block}" if by_block else "all blocks"
        body.append(text(left + step * (index + 0.5), 32, words, "quiet", "middle"))
    for row, span in enumerate(landings.spans):
        y = _TOP + _ROW * row
        body.append(text(0, y + 22, f"span {span}" if span else "no skip"))
        for index, group in enumerate(groups):
            x = left + step * index
            body.append(_cell_svg(landings.cell(span, group), span, group, x, y, step))
    return figure(width, _TOP + _ROW * len(landings.spans), title, body)


def _cell_svg(
    cell: Cell, span: int, places: Sequence[Place], x: float, y: float, width: float
) -> str:
    if not cell.num and cell.expected == 0:
        # No skip of this span can end here.
        return ""
    block = f", block {places[0].block}" if len(places) == 1 else ""
    where = f"stage {places[0].stage}{block}"
    what = f"a skip of span {span} ends" if span else "no skip ends"
    words = f"{where}: {what} at {cell.num} of {cell.of} blocks"
    shade = 0.06 + 0.54 * cell.share
    parts = [
        f'<rect class="cell" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{width - 2:.1f}" '
        f'height="{_ROW - 2}" rx="3" fill-opacity="{shade:.2f}"/>',
        text(x + width / 2, y + 17, f"{100 * cell.share:.0f}%", "strong", "middle"),
    ]
    if cell.expected is not None:
        words += f", {100 * cell.expected:.0f}% expected"
        shown = f"{100 * cell.expected:.0f}"
        parts.append(text(x + width / 2, y + 31, shown, "small", "middle"))
    if cell.is_best:
        words += "; the best network has one"
        parts.append(mark(x + width - 8, y + _ROW - 10, "dot", "circle", 3.2))
    return titled(words, *parts)
