import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from search_spaces.drawing import DRAWING_CSS, BlockPaint, Chip, describe, draw_svg
from search_spaces.drawing.layout import lay_out
from search_spaces.drawing.style import TONES, tone_of
from search_spaces.presets import preset
from search_spaces.spec import ArchitectureSpec, Kind, Place

SVG = "{http://www.w3.org/2000/svg}"


def with_skips(spec: ArchitectureSpec, *skips: tuple[str, str, str]) -> ArchitectureSpec:
    data = spec.to_dict()
    data["skips"] += [{"from": start, "to": end, "kind": kind} for start, end, kind in skips]
    return ArchitectureSpec.from_dict(data)


def lines_of(svg: str, kind: str) -> list[ET.Element]:
    """Lines of skips; the legend's have no group of their own."""
    root = ET.fromstring(svg)
    return [
        g for g in root.findall(f"{SVG}g") if g.find(f"{SVG}path[@class='nn-{kind}']") is not None
    ]


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}title")]


def blocks_of(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(f".//{SVG}rect[@class='nn-block']")


def contrast(one: str, other: str) -> float:
    """WCAG 2.1 contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["plain-20", "resnet-20", "resnet-56-b", "resnet-110-c"])
@pytest.mark.parametrize("width", [100, 350, 720, 1200])
def test_every_block_is_drawn_once_inside_the_picture(name: str, width: int) -> None:
    spec = preset(name)
    svg = draw_svg(spec, width=width)
    root = ET.fromstring(svg)
    right, bottom = (float(root.attrib[key]) for key in ("width", "height"))
    blocks = blocks_of(svg)
    assert len(blocks) == spec.num_blocks
    for block in blocks:
        x, y, w, h = (float(block.attrib[key]) for key in ("x", "y", "width", "height"))
        assert w > 0
        assert x >= 0
        assert x + w <= right
        assert y >= 0
        assert y + h <= bottom


def test_a_plain_network_has_no_skips_and_no_additions() -> None:
    svg = draw_svg(preset("plain-20"))
    assert not lines_of(svg, "identity")
    assert not lines_of(svg, "projection")
    assert "<circle" not in svg


def test_each_skip_is_one_line_of_its_kind_and_projections_carry_a_convolution() -> None:
    svg = draw_svg(preset("resnet-20-b"))
    assert len(lines_of(svg, "identity")) == 7
    projections = lines_of(svg, "projection")
    assert len(projections) == 2
    assert all(g.find(f"{SVG}rect[@class='nn-conv']") is not None for g in projections)


def test_a_long_skip_lies_above_the_short_ones_that_it_passes() -> None:
    spec = with_skips(
        preset("plain-20"),
        ("stage1.block1", "stage1.block3", "identity"),
        ("stage1.block2", "stage1.block3", "projection"),
        ("stage1.block2", "stage1.block2", "identity"),
    )
    layout = lay_out(spec, width=720, painted=False, legend_lines=0)
    level = {(arc.skip.start, arc.skip.end): arc.level for arc in layout.arcs}
    assert level == {
        ("stage1.block2", "stage1.block2"): 1,
        ("stage1.block2", "stage1.block3"): 2,
        ("stage1.block1", "stage1.block3"): 3,
    }


def test_only_blocks_where_a_skip_begins_have_a_dot() -> None:
    spec = with_skips(preset("plain-8"), ("stage1.block1", "stage2.block1", "identity"))
    svg = draw_svg(spec)
    assert svg.count('class="nn-dot"') == 1
    assert svg.count('<circle class="nn-plus"') == 1


def test_a_long_skip_says_its_span_and_a_classic_one_does_not() -> None:
    spec = with_skips(preset("resnet-20"), ("stage1.block1", "stage1.block3", "projection"))
    words = [element.text for element in ET.fromstring(draw_svg(spec)).iter(f"{SVG}text")]
    assert words.count("span 3") == 1
    assert not any((word or "").startswith("span") for word in words if word != "span 3")


def test_many_skips_at_one_addition_get_a_wider_one() -> None:
    ends = [(f"stage1.block{start}", "stage1.block3", "identity") for start in (1, 2, 3)]
    svg = draw_svg(with_skips(preset("plain-20"), *ends))
    assert '<rect class="nn-plus"' in svg
    assert '<circle class="nn-plus"' not in svg


def test_a_very_deep_network_is_drawn_in_a_few_boxes() -> None:
    spec = with_skips(preset("resnet-1202"), ("stage2.block50", "stage2.block60", "projection"))
    svg = draw_svg(spec)
    assert len(svg) < 30_000
    words = [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]
    assert {"1\u2013200 (200×)", "50", "60", "span 11"} <= set(words)
    assert "stage2.block61 to stage2.block200: 32x16x16" in titles(svg)


@pytest.mark.parametrize("width", [340, 720])
def test_what_is_not_the_usual_network_is_said(width: int) -> None:
    spec = ArchitectureSpec.from_dict(
        preset("resnet-50").to_dict() | {"activation": "pre", "norm": "none"}
    )
    words = " ".join(
        element.text or "" for element in ET.fromstring(draw_svg(spec, width=width)).iter()
    )
    stem = "conv /2, pool /2" if width < 480 else "convolution /2, 3×3 max pool /2"
    assert f"7×7 {stem}" in words
    assert "bottleneck 64-64-256" in words
    assert "Pre-activation, no batch norm" in words
    assert "ReLU, average pool, linear to 1000 classes" in words


def test_a_chip_of_a_long_skip_has_no_bracket_around_its_block() -> None:
    chip = BlockPaint(identity=Chip(label="+0.2", title="helps", strength=0.9))
    long = with_skips(preset("plain-8"), ("stage1.block1", "stage2.block1", "identity"))
    short = with_skips(preset("plain-8"), ("stage2.block1", "stage2.block1", "identity"))
    dots = [draw_svg(spec, {Place(2, 1): chip}).count('class="nn-dot"') for spec in (long, short)]
    # One where the skip begins, and in the second picture the chip's own.
    assert dots == [1, 2]


def test_neighbouring_skips_share_a_level() -> None:
    layout = lay_out(preset("resnet-20"), width=720, painted=False, legend_lines=0)
    assert {arc.level for arc in layout.arcs} == {1}


def test_a_skip_across_stages_says_in_each_row_where_it_goes_and_comes_from() -> None:
    spec = with_skips(preset("plain-20"), ("stage1.block3", "stage3.block2", "projection"))
    svg = draw_svg(spec)
    words = [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]
    assert words.count("to 3.2") == 2
    assert words.count("from 1.3") == 2
    assert "projection, from stage1.block3 to stage3.block2" in titles(svg)


def test_a_stage_begins_a_row_and_long_stages_wrap() -> None:
    layout = lay_out(preset("resnet-110"), width=720, painted=False, legend_lines=1)
    assert [row.stage for row in layout.rows] == [1, 1, 2, 2, 3, 3]
    assert [row.is_first for row in layout.rows] == [True, False] * 3


def test_effects_become_chips_with_label_title_and_tone() -> None:
    spec = preset("plain-8")
    effects = {
        Place(1, 1): BlockPaint(
            identity=Chip(label="+0.21", title="<b>helps</b> & more", strength=0.9),
            projection=Chip(label="-0.11", title="hurts", strength=-0.2),
        ),
        Place(2, 1): BlockPaint(identity=Chip(label="+0.02", title="grey")),
        Place(3, 1): BlockPaint(identity=Chip(label="0.00", title="zero", strength=0.0)),
    }
    svg = draw_svg(spec, effects)
    assert {"<b>helps</b> & more", "hurts", "grey", "zero"} <= set(titles(svg))
    assert "<b>" not in svg
    for tone in ("helps3", "hurts1", "unknown", "zero"):
        assert f'class="nn-ink-{tone}"' in svg
    assert ">+0.21</text>" in svg


@pytest.mark.parametrize(
    ("strength", "tone"),
    [(0.01, "helps1"), (0.4, "helps2"), (1.0, "helps3"), (-1.0, "hurts3"), (0.0, "zero")],
)
def test_a_strength_has_a_tone_also_at_its_ends(strength: float, tone: str) -> None:
    assert tone_of(strength) == tone


@pytest.mark.parametrize("name", TONES)
def test_labels_on_chips_have_enough_contrast_in_light_and_dark(name: str) -> None:
    tone = TONES[name]
    assert contrast(tone.fill, tone.ink) >= 4.5
    assert contrast(tone.dark_fill, tone.dark_ink) >= 4.5


@pytest.mark.parametrize("width", [340, 624])
def test_stage_effects_become_chips_beside_each_stage_and_inside_the_picture(width: int) -> None:
    spec = preset("plain-20")
    paint = BlockPaint(
        identity=Chip(label="+0.1", title="identity of a stage", strength=0.9),
        projection=Chip(label="-0.1", title="projection of a stage", strength=-0.9),
    )
    open_question = Chip(label="0", title="block", strength=None)
    effects = dict.fromkeys(
        spec.places(), BlockPaint(identity=open_question, projection=open_question)
    )
    svg = draw_svg(spec, effects, stage_effects={1: paint, 3: paint}, width=width)
    assert titles(svg).count("identity of a stage") == 2
    assert titles(svg).count("projection of a stage") == 2
    for rect in ET.fromstring(svg).findall(f".//{SVG}rect"):
        assert float(rect.get("x", 0)) >= 0
        assert float(rect.get("x", 0)) + float(rect.get("width", 0)) <= width


def test_a_file_of_its_own_has_style_and_background_and_a_part_of_a_page_has_not() -> None:
    spec = preset("resnet-8")
    alone, part = draw_svg(spec), draw_svg(spec, standalone=False)
    assert DRAWING_CSS in alone
    assert "nn-paper" in alone
    assert "<style>" not in part
    assert '<rect class="nn-paper"' not in part
    assert "prefers-color-scheme:dark" in alone


def test_the_picture_is_named_for_screen_readers() -> None:
    root = ET.fromstring(draw_svg(preset("resnet-20"), title="A & B", element_id="pic"))
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "pic-t pic-d"
    assert (title.attrib["id"], title.text) == ("pic-t", "A & B")
    assert desc.text == describe(preset("resnet-20"))


def test_the_description_counts_skips_and_blocks_without() -> None:
    spec = preset("resnet-20-b").with_kinds({Place(1, 1): Kind.NONE})
    assert describe(spec) == (
        "Network of 3-3-3 blocks per stage: 6 identity and 2 projection skips, "
        "1 blocks without a skip."
    )
    assert describe(preset("plain-20")) == "Plain network of 3-3-3 blocks per stage, no skips."


def test_drawing_needs_no_torch() -> None:
    code = "import sys, search_spaces.drawing; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_chips_name_block_and_kind_for_a_script_only_where_asked() -> None:
    spec = preset("plain-8")
    chip = Chip(label="+0.2", title="t", strength=0.5)
    effects = {Place(2, 1): BlockPaint(identity=chip, projection=chip)}
    marked = draw_svg(spec, effects, is_marked=True)
    assert marked.count('data-place="stage2.block1" data-kind="identity"') == 1
    assert marked.count('data-place="stage2.block1" data-kind="projection"') == 1
    plain = draw_svg(spec, effects)
    assert "data-" not in plain
    named = ' data-place="stage2.block1" data-kind="'
    without = marked.replace(f'{named}identity"', "").replace(f'{named}projection"', "")
    assert without == plain
