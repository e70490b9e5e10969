import pytest

from search_spaces.complexity import complexity
from search_spaces.drawing.text import draw_text, short_code
from search_spaces.presets import preset
from search_spaces.spec import ArchitectureSpec


def with_skips(spec: ArchitectureSpec, *skips: tuple[str, str, str]) -> ArchitectureSpec:
    edges = [{"from": start, "to": end, "kind": kind} for start, end, kind in skips]
    return spec.with_skips([*spec.to_dict()["skips"], *edges])


@pytest.fixture
def long() -> ArchitectureSpec:
    return with_skips(
        preset("resnet-8-b"),
        ("stage1.block1", "stage3.block1", "identity"),
        ("stage2.block1", "stage3.block1", "projection"),
    )


def test_a_line_per_block_has_shape_and_skip() -> None:
    spec = preset("resnet-8-b")
    size = complexity(spec)
    assert draw_text(spec).splitlines() == [
        f"1-1-1 I P P: 8 layers, {size.params:,} params, {size.macs:,} MACs",
        "input          3x32x32",
        "stem           16x32x32  3x3 convolution",
        "stage1.block1  16x32x32  identity",
        "stage2.block1  32x16x16  projection",
        "stage3.block1  64x8x8    projection",
        "head           10        average pool, linear",
    ]


def test_long_skips_are_rails_and_words(long: ArchitectureSpec) -> None:
    assert draw_text(long, width=76).splitlines()[-6:] == [
        "╭─── stage1.block1  16x32x32  identity",
        "│ ╭─ stage2.block1  32x16x16  projection",
        "╰─┴▸ stage3.block1  64x8x8    projection,",
        "                              projection from stage2.block1 (span 2),",
        "                              identity from stage1.block1 (span 3)",
        "     head           10        average pool, linear",
    ]


def test_rails_of_ascii_only_where_the_stream_can_do_no_more(long: ArchitectureSpec) -> None:
    text = draw_text(long, width=80, ascii_only=True)
    assert text.isascii()
    assert "`-`> stage3.block1" in text


def test_rails_are_left_out_where_there_is_no_room(long: ArchitectureSpec) -> None:
    text = draw_text(long, width=66)
    assert "│" not in text
    assert "identity from stage1.block1 (span 3)" in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "name", ["resnet-20", "plain-56", "resnet-110", "resnet-1202", "resnet-50"]
)
def test_no_line_is_wider_than_the_terminal_and_all_fit_one_screen(name: str, width: int) -> None:
    lines = draw_text(preset(name), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 24


def test_equal_blocks_of_a_deep_network_are_on_one_line() -> None:
    text = draw_text(preset("resnet-110"), width=80)
    assert "stage1.block1 to block18  16x32x32  identity" in text
    assert "18-18-18 I*18 I*18 I*18\n110 layers" in text


def test_the_ends_of_long_skips_stand_on_lines_of_their_own() -> None:
    spec = with_skips(preset("resnet-110"), ("stage1.block5", "stage1.block11", "projection"))
    text = draw_text(spec, width=80)
    assert "╭─ stage1.block5 " in text
    assert "│  stage1.block6 to block10" in text
    assert "╰▸ stage1.block11 " in text


def test_what_is_not_the_usual_network_is_said() -> None:
    text = draw_text(
        ArchitectureSpec.from_dict(
            preset("resnet-50-d").to_dict() | {"activation": "pre", "norm": "none"}
        ),
        width=80,
    )
    assert "Bottleneck blocks, pre-activation, no batch norm" in text
    assert "7x7 convolution /2, 3x3 max pool /2" in text
    assert "64x56x56" in text
    assert "ReLU, average pool, linear" in text


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("1-1 I P", "1-1 I P"),
        ("6 IIII PIIIII +1 more", "6 I*4 P,I*5 +1 more"),
        ("2 I2P", "2 I2P"),
    ],
)
def test_code_is_shortened_by_counting(code: str, short: str) -> None:
    assert short_code(code) == short
