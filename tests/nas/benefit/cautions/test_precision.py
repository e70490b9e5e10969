from dataclasses import replace

import pytest

from nas.benefit import skip_benefit


def test_power_is_said_by_the_band_that_decides(planted):
    rows = planted.design(100, sd=0.5)
    blocks = [
        row
        for row in skip_benefit(rows, [], planted.context)["effects"]
        if row["estimand"] == "AMCE" and row["decision"] == "inconclusive"
    ]
    bands = [(row["ci_sim_high"] - row["ci_sim_low"]) / 2 for row in blocks]
    # The pointwise interval alone would find effects of this size everywhere.
    limit = max(row["mde"] for row in blocks)
    context = replace(planted.context, sesoi=limit)
    result = skip_benefit(rows, [], context)
    [entry] = [e for e in result["warning_details"] if e["code"] == "W_UNDERPOWERED"]
    found = float(entry["text"].split("find effects from ")[1].split()[0])
    assert found > limit
    assert found == pytest.approx(
        sorted(band + 0.85 * row["se"] for band, row in zip(bands, blocks, strict=True))[
            len(blocks) // 2
        ],
        rel=0.1,
    )
    assert "where the whole stage has them" in entry["text"]
    assert "a block that matters alone is found less often" in entry["text"]
