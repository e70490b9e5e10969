import dataclasses
import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nas.report import ReportData, render_report
from nas.report.changes import changes_box
from nas.report.numbers import metric_of, typographic
from search_spaces.complexity import complexity
from search_spaces.spec import Kind
from tests.nas.predicting import predicted
from tests.nas.report.reading import parsed
from tests.nas.report.sample import sample
from tests.nas.report.whole import PLACES, network, whole

BROWSER = next(filter(shutil.which, ("chromium", "google-chrome", "chromium-browser")), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs a browser")
NAMES = {"N": "none", "I": "identity", "P": "projection"}


def content_of(page: str) -> dict[str, Any]:
    match = re.search(r'id="changes-data">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def rendered(tmp_path: Path, page: str, fragment: str = "") -> str:
    """Return the page as a browser has it after its scripts ran."""
    assert BROWSER is not None
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-sync", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,900"]
    found = subprocess.run(
        [*command, "--dump-dom", f"{file.as_uri()}{fragment}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return found.stdout


def out(page: str, name: str) -> str:
    match = re.search(rf'data-out="{name}"[^>]*>([^<]*)<', page)
    assert match is not None
    return html.unescape(match[1])


def line_of(data: ReportData, before: str, after: str) -> str:
    """Return the line of the prediction as Python writes it."""
    sides = [[NAMES[letter] for letter in code] for code in (before, after)]
    estimate, half = predicted(data.benefit["prediction"], *sides)
    low, high = estimate - half, estimate + half
    metric = metric_of(data.benefit).fine(low, high)
    word = "Cannot tell"
    if low > 0 or high < 0:
        word = f"Predicted to be {'better' if low > 0 else 'worse'}"
    interval = metric.effects(low, high)
    return typographic(
        f"{word}: {metric.effect(estimate)} log-loss (95% interval {interval}), + is better."
    )


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(whole())


def test_the_page_with_a_script_fetches_nothing_and_is_well_formed(page: str) -> None:
    parser = parsed(page)
    assert parser.tags.count("script") == 2
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|eval|Function|innerHTML)\s*\(", page)
    for _, name, value in parser.attributes:
        assert name not in ("src", "srcset")
        assert not name.startswith("on")
        if name == "href":
            assert value.startswith("#") or value == "../claims/claims.html"
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}


def test_without_a_script_nothing_of_it_shows(page: str) -> None:
    assert '<div class="changes" id="changes" hidden>' in page
    still = page[: page.rindex("<script>")]
    assert 'role="button"' not in still
    assert not re.search(r"<g[^>]*tabindex", still)


def test_without_a_model_the_page_has_no_script_and_a_plain_map() -> None:
    plain = render_report(sample())
    assert "<script" not in plain
    assert 'data-place="' not in plain
    assert changes_box(sample()) == ""


def test_every_chip_of_the_map_can_be_found_by_block_and_kind(page: str) -> None:
    wide = page[page.index('aria-labelledby="map-wide') : page.index('class="narrow"')]
    chips = re.findall(r'data-place="([^"]+)" data-kind="([^"]+)"', wide)
    assert sorted(chips) == sorted(
        (str(place), kind) for place in PLACES for kind in ("identity", "projection")
    )


def test_networks_to_start_from_are_the_best_one_all_identity_and_plain(page: str) -> None:
    data, content = whole(), content_of(page)
    number = data.benefit["search"]["incumbent"]["trial"]
    spec = data.spec_of(number)
    assert spec is not None
    code = "".join(kind.value[0].upper() for kind in spec.ending_kinds)
    assert [(base["key"], base["code"]) for base in content["bases"]] == [
        ("best", code),
        ("identity", "I" * 6),
        ("plain", "N" * 6),
    ]
    assert content["bases"][0]["name"] == f"your best network (trial {number})"
    assert content["command"] == "nas ablate runs/planted --flip FLIPS"


def test_the_best_network_of_another_depth_gives_way_to_the_best_of_this_one() -> None:
    data = whole()
    other = next(t for t in data.trials if t.spec and t.spec.depths == (1, 2, 2) and t.value)
    search: Mapping[str, Any] = {"incumbent": {"trial": other.number}}
    benefit = {**data.benefit, "search": search}
    content = content_of(render_report(dataclasses.replace(data, benefit=benefit)))
    best = content["bases"][0]
    assert best["name"].startswith("the best of this depth (trial ")
    assert best["is_ablated"] is False


def test_what_users_write_cannot_leave_the_data_of_the_script() -> None:
    bad = "</script><script>alert(1)</script>"
    data = dataclasses.replace(whole(), run=bad)
    renamed = [dataclasses.replace(t, name=bad) for t in data.repeats]
    made = render_report(dataclasses.replace(data, repeats=renamed))
    assert parsed(made).tags.count("script") == 2
    assert bad not in made
    assert any(bad in row[3] for row in content_of(made)["trained"])


@needs_browser
def test_a_change_in_the_address_is_predicted_with_its_interval(page: str, tmp_path: Path) -> None:
    flips = "stage1.block2=none,stage3.block1=projection"
    found = rendered(tmp_path, page, f"#change=identity:{flips}")
    assert out(found, "predicted") == line_of(whole(), "IIIIII", "INIIPI")
    assert out(found, "command") == f"nas ablate runs/planted --flip {flips}"
    kinds = dict.fromkeys(PLACES, Kind.IDENTITY)
    before = complexity(network(kinds))
    changed = kinds | {PLACES[1]: Kind.NONE, PLACES[4]: Kind.PROJECTION}
    after = complexity(network(changed))
    assert out(found, "costs") == (
        f"It costs +{after.params - before.params:,} parameters and "
        f"+{after.macs - before.macs:,} multiply-adds."
    )
    assert "Against identity everywhere." in out(found, "ground")
    assert "Grade randomised: a sum of average effects over 160 random networks" in out(
        found, "ground"
    )
    assert '<div class="changes" id="changes">' in found


@needs_browser
def test_the_nearest_networks_come_first_and_this_very_one_is_named(
    page: str, tmp_path: Path
) -> None:
    found = rendered(tmp_path, page, "#change=identity:stage1.block1=none")
    table = re.search(r"<tbody>(.*?)</tbody>", found[found.index('id="changes"') :])
    assert table is not None
    rows = [re.findall(r"<td>([^<]*)</td>", row) for row in table[1].split("</tr>")[:-1]]
    assert len(rows) == 4
    content = content_of(page)
    distances = sorted(
        sum(a != b for a, b in zip(code, "NIIIII", strict=True)) for code, *_ in content["trained"]
    )
    shown = [0 if "this network" in far else int(far.split()[0]) for _, far, _ in rows]
    assert shown == distances[:4]
    assert rows[0][0].startswith("identity-14, stage1.block1=none")
    assert rows[0][2].endswith("(mean of 6 trainings)")


STEPS = """
<script>
const log = [];
const result = (name) => document.querySelector(`[data-out="${name}"]`).textContent;
const chip = (place, kind) =>
  document.querySelector(`#map-probe [data-place="${place}"][data-kind="${kind}"]`) ||
  document.querySelector(`.wide [data-place="${place}"][data-kind="${kind}"]`);
const key = (name) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key: name, bubbles: true }));
document.querySelector('[data-base="2"]').click();
log.push(result("predicted"), result("command"));
chip("stage1.block1", "identity").focus();
key("Enter");
log.push(result("predicted"), result("command"), result("support"));
key("ArrowRight");
key("ArrowDown");
key(" ");
log.push(result("command"), chip("stage1.block2", "projection").getAttribute("aria-pressed"));
key(" ");
log.push(result("command"), location.hash);
document.querySelector("[data-close]").click();
log.push(String(document.querySelector(".result").hidden), location.hash);
log.push(String(document.querySelectorAll('.wide [data-place][tabindex="0"]').length));
const hold = document.createElement("pre");
hold.id = "log";
hold.textContent = JSON.stringify(log);
document.body.append(hold);
</script>
"""


@needs_browser
def test_skips_are_toggled_by_keys_alone_and_the_map_comes_back(page: str, tmp_path: Path) -> None:
    driven = page.replace("</body>", f"{STEPS}</body>")
    found = rendered(tmp_path, driven)
    match = re.search(r'<pre id="log">(.*?)</pre>', found)
    assert match is not None
    log = json.loads(html.unescape(match[1]))
    flip = "nas ablate runs/planted --flip stage1.block1=identity"
    assert log[:2] == ["Nothing is changed yet: press a skip in the picture.", ""]
    assert log[2] == line_of(whole(), "NNNNNN", "INNNNN")
    assert log[3] == flip
    assert "lies beyond what was measured" in log[4] or log[4] == ""
    assert log[5:7] == [f"{flip},stage1.block2=projection", "true"]
    assert log[7:9] == [flip, "#change=plain:stage1.block1=identity"]
    assert log[9:] == ["true", "", "1"]


@needs_browser
def test_a_network_beyond_the_rows_is_said_to_be(tmp_path: Path) -> None:
    data = whole()
    model = {**data.benefit["prediction"]}
    model["support"] = {**model["support"], "projection": [0, 4]}
    benefit = {**data.benefit, "prediction": model}
    page = render_report(dataclasses.replace(data, benefit=benefit))
    flips = ",".join(f"{place}=projection" for place in PLACES[:5])
    found = rendered(tmp_path, page, f"#change=identity:{flips}")
    assert (
        "This network lies beyond what was measured: 5 of its 6 blocks have a projection, in "
        "random networks 0 to 4."
    ) in out(found, "support")


@needs_browser
def test_a_change_cut_off_in_the_middle_of_a_sign_is_no_change(page: str, tmp_path: Path) -> None:
    told = "<script>onerror = (what) => (document.body.dataset.failed = what);</script>"
    start = page.rindex("<script>")
    found = rendered(tmp_path, page[:start] + told + page[start:], "#change=identity:%E0%A4%A")
    assert "data-failed" not in found
    assert out(found, "predicted") != ""
