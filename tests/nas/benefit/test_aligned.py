from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.benefit.aligned import DepthAnalysis, aligned_effects
from nas.benefit.effects import analyse
from nas.benefit.places import block_facts

KINDS_OF = {"none": 0, "identity": 1, "projection": 1}


def studies(planted, depths, effect, rows=80, seed=0):
    """Design rows of several isotropic-looking depths; `effect` of (depth, stage, block)."""
    rng, found, template = np.random.default_rng(seed), [], planted.design(1)[0]
    for depth in depths:
        plain = planted.space.spec((depth,) * 3, {})
        for _ in range(rows):
            kinds = {place: planted.context.kinds[rng.integers(2)] for place in plain.places()}
            spec = plain.with_kinds(kinds)
            gain = sum(
                effect(depth, place.stage, place.block) * KINDS_OF[kind.value]
                for place, kind in kinds.items()
            )
            loss = float(3 + 0.3 * depth - gain + 0.1 * rng.normal())
            found.append(
                replace(
                    template, number=len(found), spec=spec, spec_id=spec.spec_id,
                    decisions=planted.space.decisions(spec), value=loss, metrics={},
                )
            )  # fmt: skip
    return found


def by_start(depth, stage, block):
    return 0.2 * block


def by_depth(depth, stage, block):
    return 0.2 * depth if stage == 1 else 0.1


def result_of(planted, effect, depths=(2, 3), **options):
    rows = studies(planted, depths, effect, **options)
    kinds = planted.context.kinds[:2]
    context = replace(planted.context, kinds=kinds, reference_depths=(max(depths),) * 3)
    return skip_benefit(rows, [], context)


def test_one_depth_has_nothing_to_align(planted):
    assert skip_benefit(planted.design(60), [], planted.context)["aligned"] == {}


def test_depths_that_agree_from_the_start_of_stages_are_pooled_there(planted):
    found = result_of(planted, by_start)["aligned"]
    assert (found["depths"], found["depth_plans"]) == ([14, 20], [[2, 2, 2], [3, 3, 3]])
    assert found["n_rows"] == 160
    identity, skip = found["by"]["from_start"]
    assert (identity["kind"], skip["kind"]) == ("identity", "skip")
    assert identity["is_pooled"]
    assert identity["interaction"]["p"] > 0.05
    # Blocks that only the deeper networks have are in no bin.
    places = [(row["stage"], row["from_start"]) for row in identity["bins"]]
    assert places == [(stage, block) for stage in (1, 2, 3) for block in (1, 2)]
    for row in identity["bins"]:
        assert row["estimate"] == pytest.approx(0.2 * row["from_start"], abs=0.06)
        assert row["ci_low"] < row["estimate"] < row["ci_high"]
        assert [own["depth"] for own in row["by_depth"]] == [14, 20]


def test_aligned_the_wrong_way_depths_differ_and_nothing_is_pooled(planted):
    result = result_of(planted, by_start)
    [identity, _] = result["aligned"]["by"]["from_end"]
    assert identity["interaction"]["p"] < 0.001
    assert not identity["is_pooled"]
    assert {row["estimate"] for row in identity["bins"]} == {None}
    assert identity["between_sd"] is None
    assert all(own["estimate"] is not None for row in identity["bins"] for own in row["by_depth"])
    assert "W_POOL_DEPTH" not in result["warnings"]


def test_effects_that_grow_with_depth_are_flagged_and_warned_of(planted):
    result = result_of(planted, by_depth)
    assert not result["aligned"]["by"]["from_start"][0]["is_pooled"]
    [entry] = [e for e in result["warning_details"] if e["code"] == "W_POOL_DEPTH"]
    assert "differs between the depths" in entry["text"]
    assert entry["remedy"].endswith("--mode effects --name planted-effects")


@pytest.mark.slow
def test_equal_depths_are_seldom_told_apart(planted):
    kinds, rng, told = planted.context.kinds[:2], np.random.default_rng(0), 0
    for _ in range(60):
        depths = []
        for blocks in (2, 3):
            tau = np.zeros((3 * blocks, 3))
            tau[:, 1] = [0.2 * by_start(blocks, 1, 1 + i % blocks) for i in range(3 * blocks)]
            world = planted.world(tau, stages=3)
            sample = world.draw(rng, 50, lambda rng, codes: 0.3 * rng.normal(size=len(codes)))
            analysis = analyse(sample, kinds, None, draws=20)
            facts = block_facts(world.places, planted.context)
            plan = (blocks,) * 3
            depths.append(DepthAnalysis(plan, 6 * blocks + 2, analysis, facts))
        told += not aligned_effects(depths)["by"]["from_start"][0]["is_pooled"]
    assert told <= 7


def test_thirds_of_the_depth_average_their_blocks(planted):
    found = result_of(planted, lambda depth, stage, block: 0.1 * stage)
    [identity, _] = found["aligned"]["by"]["rel_depth"]
    assert [row["third"] for row in identity["bins"]] == [1, 2, 3]
    assert [row["estimate"] for row in identity["bins"]] == pytest.approx(
        [0.1, 0.2, 0.3], abs=0.04
    )
