import io
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from nas.display import Answers, Display, DisplaySources
from nas.trials import Source, State, TrialRecord
from search_spaces.presets import preset
from tests.nas.made_studies import make_metrics
from tests.nas.wandb_studies import make_record

WIDTH = 80


class Terminal(io.StringIO):
    """A terminal that remembers all that was drawn."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader has gone, as after `nas search | head`."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class GoneTerminal(Terminal):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def display_on(stream: io.StringIO, **changes: Any) -> Display:
    known: dict[str, Any] = {
        "num_trials": 200,
        "num_repeats": lambda: 75,
        "num_epochs": 8,
        "direction": "minimize",
        "answers": lambda ended: Answers(settled=3, precise=2, total=15) if ended else None,
        "seconds_left": lambda ended: 4000.0,
    }
    return Display(DisplaySources(**known | changes), stream)


def ended_study() -> list[TrialRecord]:
    return [
        make_record(0, value=0.5),
        make_record(1, value=0.25, source=Source.ADAPTIVE),
        make_record(2, value=0.1, state=State.PRUNED),
        make_record(3, value=None, state=State.FAILED),
        make_record(0, value=0.05, source=Source.ANCHOR),
    ]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("TERM", "xterm-256color")


def drawn(terminal: Terminal) -> list[str]:
    """Lines without the signs that move the cursor and set colours."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line]


class TestLine:
    def test_paused_trials_are_counted(self) -> None:
        display = display_on(io.StringIO(), num_paused=lambda: 2)
        assert "0/200 trials; 2 paused; about" in display.line()

    def test_everything_is_said(self) -> None:
        display = display_on(io.StringIO())
        display.learn(ended_study())
        display.tick()
        assert display.line() == (
            "0:00  3/200 trials; 1 failed; 1/75 repeats; best 0.2500 at accuracy 93.8% (trial 1, "
            "10 layers); 3 of 15 answers settled; about 1:06:40 left"
        )
        assert display.answers == Answers(settled=3, precise=2, total=15)

    def test_nothing_is_said_of_what_is_not_there_yet(self) -> None:
        display = display_on(io.StringIO(), seconds_left=lambda ended: 59.9)
        assert display.line() == "0:00  0/200 trials; about 0:59 left"
        assert display.answers is None

    def test_best_of_a_table_has_neither_layers_nor_accuracy(self) -> None:
        display = display_on(io.StringIO(), direction="maximize")
        display.learn([make_record(4, value=0.0, spec=None, metrics={}), make_record(5, value=-1)])
        assert "best 0.0000 (trial 4);" in display.line()


class TestPlain:
    def test_lines_come_at_the_start_and_the_end(self) -> None:
        stream = io.StringIO()
        with display_on(stream) as display:
            for _ in range(3):
                display.tick()
            display.started(make_record(0, state=State.RUNNING))
            display.ended(make_record(0, value=0.5))
        first, last = stream.getvalue().splitlines()
        assert "0/200 trials" in first
        assert "1/200 trials; best 0.5000" in last
        assert "\x1b" not in stream.getvalue()

    def test_last_line_is_written_when_the_search_is_interrupted(self) -> None:
        stream = io.StringIO()
        with pytest.raises(KeyboardInterrupt), display_on(stream):
            raise KeyboardInterrupt
        assert stream.getvalue().endswith("left\n")


class TestLive:
    def draw(self, records: Sequence[tuple[TrialRecord, int]], **changes: Any) -> list[str]:
        terminal = Terminal()
        with display_on(terminal, **changes) as display:
            display.learn(ended_study())
            for record, epoch in records:
                display.started(record)
                if epoch:
                    display.epoch(record, make_metrics(epoch, 12.3456))
            display.tick()
        return drawn(terminal)

    def test_candidates_in_training_are_shown_with_their_epoch(self) -> None:
        deep = preset("resnet-32")
        running = {"state": State.RUNNING, "value": None}
        lines = self.draw(
            [
                (make_record(17, spec=deep, source=Source.RANDOMISED, **running), 8),
                (make_record(18, spec=None, source=Source.ADAPTIVE, **running), 0),
                (make_record(3, source=Source.FINALIST, **running), 1),
            ]
        )
        text = "\n".join(lines)
        assert re.search(
            r"   17  randomised  5-5-5 IIIII IIIII IIIII  epoch 8/8  log-loss 12.346 +0.0%", text
        )
        assert re.search(r"   18  adaptive +starting", text)
        assert re.search(r"    3  finalist +1-2-1 N PI I +epoch 1/8  log-loss 12.346", text)
        assert "3/200" in text
        assert "1/75" in text

    def test_group_has_one_row_with_the_best_of_its_members(self) -> None:
        running = {"state": State.RUNNING, "value": None}
        kinds = (Source.ADAPTIVE, Source.RANDOMISED)
        group = [
            (
                make_record(
                    n, spec=preset(f"resnet-{20 + 12 * (n % 2)}"), source=kinds[n % 2], **running
                ),
                2,
            )
            for n in range(11, 15)
        ]
        alone = (make_record(4, source=Source.ANCHOR, **running), 1)
        # Trials of the search and repeats count from 0 each; one of the group has ended.
        keys = [[f"trial-{n:04d}" for n in range(10, 15)], ["repeat-0004"]]
        lines = self.draw([*group, alone], groups=lambda: keys)
        rows = [line for line in lines if "epoch" in line][-2:]
        assert re.match(
            r"   11 to 14  mixed   best of 4, 20 to 32 la…  epoch 2/8  log-loss 12.346", rows[0]
        )
        assert re.match(r"    4 +anchor +", rows[1])
        assert max(len(line) for line in lines[:-1]) <= WIDTH

    def test_group_that_starts_says_how_large_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "120")
        running = {"state": State.RUNNING, "value": None, "spec": preset("resnet-20")}
        group = [(make_record(n, **running), 0) for n in (1, 2)]
        lines = self.draw(group, groups=lambda: [["trial-0001", "trial-0002"]])
        assert any(
            re.match(r"    1 to 2  randomised  best of 2, 20 layers  starting", line)
            for line in lines
        )

    @pytest.mark.parametrize("layers", [20, 110, 1202])
    def test_nothing_is_wider_than_the_terminal(self, layers: int) -> None:
        records = [
            (make_record(99_999, spec=preset(f"resnet-{layers}"), state=State.RUNNING), 8),
            (make_record(7, spec=None, name="identity-32", source=Source.ANCHOR), 1),
        ]
        lines = self.draw(records)
        # The last line is plain text, which the terminal itself wraps.
        assert max(len(line) for line in lines[:-1]) <= WIDTH
        text = "\n".join(lines)
        assert "99999  randomised" in text
        assert "identity-32" in text
        assert "epoch 8/8" in text

    @pytest.mark.parametrize("columns", ["20", "40", "200"])
    def test_any_width_will_do(self, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
        monkeypatch.setenv("COLUMNS", columns)
        lines = self.draw([(make_record(1, state=State.RUNNING), 3)], num_repeats=lambda: 0)
        assert max(len(line) for line in lines[:-1]) <= int(columns)

    def test_ended_candidate_leaves_the_table(self) -> None:
        terminal = Terminal()
        with display_on(terminal) as display:
            display.started(make_record(41, state=State.RUNNING))
            display.ended(make_record(41))
            display.tick()
        assert not any(line.startswith("   41") for line in drawn(terminal))

    def test_repeat_of_the_same_number_is_another_candidate(self) -> None:
        lines = self.draw(
            [
                (make_record(5, state=State.RUNNING), 1),
                (make_record(5, state=State.RUNNING, source=Source.ANCHOR), 2),
            ]
        )
        shown = {line.split()[1] for line in lines if line.startswith("    5")}
        assert shown == {"randomised", "anchor"}


@pytest.mark.parametrize("stream", [Gone(), GoneTerminal()], ids=["pipe", "terminal"])
def test_reader_that_has_gone_does_not_end_the_study(stream: io.StringIO) -> None:
    with display_on(stream) as display:
        display.tick()
        display.ended(make_record(0))
        display.tick()
    assert "1/200 trials" in display.line()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_failure_says_why_at_once_but_not_for_ever(stream: io.StringIO) -> None:
    with display_on(stream) as display:
        for number in range(7):
            record = make_record(number, value=None, state=State.FAILED)
            display.ended(replace(record, reason="error", message="depth must be 1\nor 2"))
    said = re.findall(r"trial \d failed \(error\): depth must be 1 or 2", stream.getvalue())
    assert len(said) == 5


def test_metric_of_the_task_stands_before_the_usual_ones() -> None:
    terminal = Terminal()
    with display_on(terminal, metric="val/f1") as display:
        running = make_record(4, state=State.RUNNING)
        display.started(running)
        display.epoch(running, replace(make_metrics(2, 0.5), more={"f1": 0.75}))
        display.tick()
    assert "epoch 2/8  f1 0.750  log-loss 0.500" in terminal.getvalue()


def test_answers_that_take_long_to_count_are_counted_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nas.display._ANSWERS_SECONDS", 0.0)
    counts: list[int] = []

    def count(ended: Sequence[TrialRecord]) -> None:
        counts.append(len(ended))
        time.sleep(0.05)

    display = display_on(io.StringIO(), answers=count)
    for number in range(5):
        display.ended(make_record(number, value=0.5))
        display.tick()
    # The first count may have taken long for another reason; after the second one it is known.
    assert counts == [1, 2]
