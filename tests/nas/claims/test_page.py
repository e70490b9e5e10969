"""Records, the table of the terminal, and the page."""

from html.parser import HTMLParser
from typing import Any

from nas.claims.catalogue import CLAIMS
from nas.claims.describe import describe_claims, describe_price, summary
from nas.claims.finding import Estimate, Finding, Line, Plot, Verdict
from nas.claims.page import render_claims
from nas.claims.record import describe_claim
from nas.claims.results import ClaimTest, Outcome, Results
from nas.claims.setup import ClaimsSetup
from nas.config import make_config

SETUP = ClaimsSetup.from_config(make_config({}))
FINDING = Finding(
    verdict=Verdict.SUPPORTED,
    evidence="it is so & <so>",
    estimates=(
        Estimate(name="gain", value=0.5, low=0.1, high=0.9, n=5, unit="nats"),
        Estimate(name="loss", value=-0.5, low=-0.9, high=-0.1, n=5, unit="nats"),
        Estimate(name="share", value=None, n=0, unit="share"),
        Estimate(name="beside", value=float("nan"), n=1, decides=False),
    ),
    facts={"p": 0.01, "words": "a < b"},
    plot=Plot(
        x="layers",
        y="accuracy",
        is_share=True,
        lines=(
            Line(name="plain", style="plain", points=((8.0, 0.9), (20.0, 0.5))),
            Line(name="with skips", style="identity", points=((8.0, 0.9), (20.0, 0.95))),
        ),
    ),
)


def make_record(
    finding: Finding = FINDING, *, is_chosen: bool = True, planned: int = 1, done: int = 1
) -> dict[str, Any]:
    claim = ClaimTest(
        id="C7",
        statement="More & more.",
        test="t",
        rule="r",
        plan=lambda setup: [setup.training(setup.of_layers(20), r) for r in range(planned)],
        decide=lambda setup, results: finding,
    )
    outcome = Outcome(diverged=False, val_log_losses=(0.1,), val_accuracy=0.9)
    known = {training.key: outcome for training in claim.plan(SETUP)[planned - done :]}
    return describe_claim(claim, SETUP, Results(SETUP, known), is_chosen=is_chosen)


def untested() -> list[dict[str, Any]]:
    results = Results(SETUP, {})
    return [describe_claim(claim, SETUP, results, is_chosen=False) for claim in CLAIMS]


class Tags(HTMLParser):
    """Checks that tags are closed in order."""

    void = ("meta", "i", "circle", "path", "rect", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag


def test_a_record_says_what_it_holds_for() -> None:
    record = make_record()
    assert record["evidence"].startswith(
        "on digits, 20 layers, lr 0.1, 8 epochs, 1 training on 1 seed: it is so"
    )
    assert record["data"]["dataset"] == "digits"
    assert record["data"]["layers"] == [20]
    assert record["data"]["epochs"] == 8
    assert record["numbers"]["estimates"][3]["estimate"] is None


def test_a_record_names_the_seeds_that_were_used_and_not_those_that_were_planned() -> None:
    record = make_record(planned=5, done=3)
    assert record["data"]["seeds"] == 3
    assert record["data"]["replicates"] == [2, 3, 4]
    assert record["data"]["study_seed"] == SETUP.scope.study_seed
    assert "3 trainings on 3 seeds (2 more are missing): it is so" in record["evidence"]


def test_what_was_not_asked_for_and_is_not_known_is_not_tested() -> None:
    record = make_record(is_chosen=False, done=0)
    assert (record["verdict"], record["evidence"]) == ("not tested", "not asked for")
    assert {r["verdict"] for r in untested()} == {"not tested"}


def test_claims_without_any_result_say_so_when_they_were_asked_for() -> None:
    results = Results(SETUP, {})
    for claim in CLAIMS:
        record = describe_claim(claim, SETUP, results, is_chosen=True)
        assert record["verdict"] == "not tested", claim.id


def test_the_table_has_a_row_for_each_claim_within_the_width() -> None:
    text = describe_claims([make_record(), *untested()], width=60)
    assert text.startswith("C7   supported     More & more.\n")
    assert all(len(line) <= 60 for line in text.splitlines())
    assert summary([make_record(), *untested()[:2]]) == "1 supported (C7), 2 not tested (C1, C1b)"


def test_the_page_is_whole_escaped_and_fetches_nothing() -> None:
    page = render_claims([make_record(), *untested()[1:]], study="my <study>", tool_version="1")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "svg" in tags.found
    assert "script" not in tags.found
    assert "http" not in page.replace("http-equiv", "")
    assert "my &lt;study&gt;" in page
    assert "it is so &amp; &lt;so&gt;" in page
    assert page.index("supported") < page.index("What the rule looks at")


def test_a_page_of_claims_that_were_not_tested_has_no_figure() -> None:
    assert "<svg" not in render_claims(untested(), study="digits")


def test_the_price_counts_trainings_and_measurements() -> None:
    trainings = [SETUP.training(SETUP.of_layers(n), 0) for n in (8, 20)]
    measuring = SETUP.measuring("toy", 20)
    assert describe_price(trainings, [measuring], 90.0) == (
        "2 trainings of 8 to 20 layers, 1 measurement without training, about 1.5 min."
    )
    assert describe_price(trainings[:1], [], 1.0) == "1 training of 8 layers, about 0.1 min."
    assert describe_price([], [], 0.0) == "nothing is left to train."
