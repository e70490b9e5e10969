"""The card that answers which layers should keep their skip, and how sure that is."""

import shlex
from collections.abc import Mapping

from nas.report.data import ReportData
from nas.report.effects import reference_kind
from nas.report.html import esc, paragraph, stress, word
from nas.report.keep import (
    InNetwork,
    Keep,
    StageKeep,
    answer,
    average_verdicts,
    in_network,
    listed,
)
from nas.report.method import STAND_IN
from nas.report.numbers import count, is_number, mapping
from nas.trials import Source

TITLE = "Which layers should keep their skip?"
_ORDER = (Keep.KEEP, Keep.MAY_GO, Keep.WITHOUT, Keep.UNKNOWN)
_ADDING = {
    Keep.KEEP: "adding one helps",
    Keep.MAY_GO: "adding one does too little to matter",
    Keep.WITHOUT: "adding one hurts",
    Keep.UNKNOWN: "cannot tell whether one would help",
}


def keep_card(data: ReportData) -> str:
    """Write the answer, a line per stage, and how sure one may be."""
    stages = average_verdicts(data.benefit)
    if reference_kind(data.benefit) != "none":
        return paragraph("Every block of this space has one; which kind is told beside.", "answer")
    network = in_network(data.benefit)
    body = paragraph(answer(stages, data.benefit), "answer")
    if network is not None or any(stage.is_decided for stage in stages):
        body += _table(data, stages, network)
    return f'{body}<p class="small">{_how_sure(data, network)}</p>'


def _table(data: ReportData, stages: list[StageKeep], network: InNetwork | None) -> str:
    used = mapping(data.benefit.get("rows")).get("used")
    n = int(used) if is_number(used) else data.counts().get(Source.RANDOMISED, 0)
    heads = ["", f"On average over networks<small>randomised, {count(n, 'network')}</small>"]
    if network is not None:
        pairs = f"paired, {count(network.num_pairs, 'pair')} each"
        heads.append(f"{esc(network.title)}<small>{esc(pairs)}</small>")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    lines: list[str] = []
    for stage in stages:
        cells = [f'<th scope="row">Stage {stage.stage}</th>', f"<td>{_average(stage)}</td>"]
        if network is not None:
            cells.append(f"<td>{_paired(network, stage)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="keep"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _average(stage: StageKeep) -> str:
    """Write the verdicts of a stage: as a whole first, then what single blocks say by themselves."""
    if stage.is_uniform or stage.whole is Keep.UNKNOWN:
        return _groups(stage.blocks) or word(Keep.UNKNOWN.direction, "cannot tell")
    whole = "any one of them" if stage.whole is Keep.MAY_GO else "as a whole"
    texts = [f"{_word(stage.whole)} {whole}"]
    for verdict in _ORDER[:-1]:
        blocks = stage.blocks_with(verdict)
        if blocks and verdict is stage.whole:
            texts.append(
                f"{_blocks(blocks)} by {'itself' if len(blocks) == 1 else 'themselves'} too"
            )
        elif blocks:
            texts.append(f"{_word(verdict)} {_blocks(blocks)}")
    left = stage.blocks_with(Keep.UNKNOWN)
    if left:
        which = "single blocks" if len(left) == len(stage.blocks) else "the others"
        texts.append(word(Keep.UNKNOWN.direction, f"{which}: cannot tell"))
    return "; ".join(texts)


def _paired(network: InNetwork, stage: StageKeep) -> str:
    """Write what taking away its skips does, then what adding one does where it has none."""
    verdicts = network.verdicts.get(stage.stage, {})
    additions = network.additions.get(stage.stage, {})
    texts = [_groups(verdicts)] if verdicts else []
    texts += _added(additions)
    left = [block for block in stage.blocks if block not in verdicts and block not in additions]
    if left or not texts:
        # A block may still have been changed with others, or from one kind of skip to the other.
        which = f": {_blocks(left)}" if texts else ""
        texts.append(word(Keep.UNKNOWN.direction, f"not compared with none by itself{which}"))
    return "; ".join(texts)


def _added(additions: Mapping[int, Keep]) -> list[str]:
    """Write what a skip would add at the blocks that have none, by verdict."""
    texts: list[str] = []
    for verdict, said in _ADDING.items():
        blocks = [block for block, own in additions.items() if own is verdict]
        if blocks:
            words = word(verdict.direction, said)
            texts.append(f"no skip at {_blocks(blocks)}: {words}")
    return texts


def _groups(verdicts: Mapping[int, Keep]) -> str:
    """Write blocks by their verdict."""
    texts: list[str] = []
    for verdict in _ORDER:
        blocks = [block for block, own in verdicts.items() if own is verdict]
        if not blocks:
            continue
        is_all = len(blocks) == len(verdicts) and len(blocks) > 1
        number = "both" if len(blocks) == 2 else f"all {len(blocks)}"
        which = f"{number} blocks" if is_all else _blocks(blocks)
        if verdict is Keep.UNKNOWN:
            texts.append(word(verdict.direction, f"{which}: cannot tell"))
        else:
            texts.append(f"{_word(verdict)} {which}")
    return "; ".join(texts)


def _blocks(blocks: list[int]) -> str:
    return f"block{'s' if len(blocks) > 1 else ''} {listed(blocks)}"


def _word(verdict: Keep) -> str:
    if verdict is Keep.MAY_GO:
        return f"<b>{esc(verdict)}</b>"
    return word(verdict.direction, str(verdict))


def _how_sure(data: ReportData, network: InNetwork | None) -> str:
    """Say what a verdict rests on, and why the two columns can differ."""
    sure = stress(
        "*How sure:* a verdict stands only where the whole 95% interval bears it, for all stages, "
        "or all blocks, at once. A single block is decided only where the mean of its stage is: "
        "opposite effects within a stage stay grey, however clear."
    )
    if network is not None:
        return f"{sure} {esc(STAND_IN)}{_test_use(network)}"
    if not mapping(data.benefit.get("search")).get("incumbent") or data.run is None:
        return sure
    command = f"<code>nas ablate {esc(shlex.quote(data.run))}</code>"
    return f"{sure} Whether your best network needs each of them: {command}"


def _test_use(network: InNetwork) -> str:
    """Say what choosing by verdicts of the test split does to it."""
    if not network.test_looks:
        return ""
    return (
        f" The second column is of the test split, on which {count(network.test_looks, 'flip')} "
        f"{'was' if network.test_looks == 1 else 'were'} compared. Who leaves out skips because of it "
        "has chosen by that split: only images that nobody has looked at yet say without favour how "
        "good the changed network is."
    )
