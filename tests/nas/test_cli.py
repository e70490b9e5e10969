import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nas.cli import main
from nas.config import make_config
from nas.trials import Source
from search_spaces.presets import preset
from search_spaces.spec import Kind
from tests.nas.made_studies import add_trial, make_study

COMMANDS = ("search", "status", "report", "plan", "export", "ablate", "show", "doctor")


def nas(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in `cwd`."""
    program = str(Path(sys.executable).parent / "nas")
    return subprocess.run(
        [program, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(cwd), "COLUMNS": "80", **environment},
    )


def refused(*arguments: str, cwd: Path, code: int) -> str:
    """Run a command that must fail clearly, and return its message."""
    done = nas(*arguments, cwd=cwd)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    return done.stderr


def in_process(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["nas", *arguments])
    # What the command sets is put back at the end of the test.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.delenv("NAS_DEBUG", raising=False)
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a study in runs/made."""
    study = make_study(tmp_path / "runs", [0.5, 0.25, 0.4, None])
    add_trial(study, study.space.uniform((1, 1), Kind.NONE), Source.ANCHOR, 0.75)
    return tmp_path


class TestHelp:
    def test_all_commands_are_listed(self, tmp_path: Path) -> None:
        done = nas("--help", cwd=tmp_path)
        assert done.returncode == 0
        for command in COMMANDS:
            assert f" {command} " in done.stdout
        assert "--debug" in done.stdout

    def test_flags_of_a_search_are_those_of_the_design(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("COLUMNS", "200")
        assert in_process(monkeypatch, "search", "--help") == 0
        text = capsys.readouterr().out
        flags = (
            "name trials workers devices devices-per-trial storage wandb mode until launcher "
            "no-report no-export set dump-config"
        )
        for flag in flags.split():
            assert f"--{flag} " in text, flag


class TestUsage:
    """What click refuses by itself, and what we refuse before anything is made."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("serch",), "No such command 'serch'"),
            (("search", "--frobnicate"), "No such option: --frobnicate"),
            (("search", "--trials", "abc"), "Invalid value for '--trials'"),
            (("show",), "Missing argument"),
        ],
    )
    def test_unknown_words_end_with_two(
        self, tmp_path: Path, arguments: tuple[str, ...], message: str
    ) -> None:
        assert message in refused(*arguments, cwd=tmp_path, code=2)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--set", "recipe.epoch=3"), "Unknown key 'recipe.epoch'. Did you mean 'recipe.epo"),
            (("--set", "recipe.epochs"), "--set takes key=value, got 'recipe.epochs'. Write"),
            (("--set", "space.min_blocks=0"), "space.min_blocks"),
            (("--set", "space.kinds=[identiy]"), "Did you mean 'identity'?"),
            (("--set", "search.sampler=tpee"), "Did you mean 'tpe'?"),
            (("--set", "data=digit"), "Unknown data set 'digit'. Did you mean 'digits'?"),
            (("--trials", "0"), "search.trials must be >= 1, got trials=0."),
            (("--workers", "0"), "search.workers must be 'auto' or an int >= 1, got workers=0."),
            (("--workers", "-1"), "got workers=-1."),
            (("--workers", "many"), "search.workers must be 'auto' or an int, got workers='many'"),
            (("--devices-per-trial", "2"), "One trial on several devices is not supported yet"),
            (("--launcher", "ray"), "search.launcher must be 'local', got launcher='ray'."),
            (("--mode", "effect"), "Did you mean 'effects'?"),
            (("--until", "setled"), "Did you mean 'settled'?"),
            (("--wandb", "onlin"), "wandb.mode must be 'offline', 'online' or 'disabled', got"),
            (("--name", "../x"), "got name='../x'."),
            (("--storage", "jornal"), "got storage='jornal'."),
            (("none.yaml",), "The configuration file must exist, got 'none.yaml'."),
        ],
    )
    def test_wrong_settings_end_with_two_before_anything_is_made(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        message: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert in_process(monkeypatch, "search", *arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        assert message in shown.err
        assert shown.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--devices", "99"), "search.devices must be 'auto' or 'cpu'"),
            (("--wandb", "online"), "wandb.mode: online needs an API key"),
            (
                ("--set", "search.sampler.class_path=optuna.samplers.Nope"),
                "search.sampler.class_path must name an importable class, got 'optuna.samplers.N",
            ),
            (("--set", "space.max_blocks=1", "--trials", "28"), "trials=28 for 27 architectures"),
        ],
    )
    def test_what_only_the_launch_can_know_leaves_no_study(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        message: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        # Where nobody has logged in.
        monkeypatch.setenv("HOME", str(tmp_path))
        assert in_process(monkeypatch, "search", *arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert message in shown.err
        assert "Traceback" not in shown.err
        assert list(tmp_path.glob("runs/*/config.yaml")) == []
        # What was left behind is no hindrance for the corrected command.
        assert in_process(monkeypatch, "status", "digits") == 1
        after = capsys.readouterr()
        assert after.out == ""
        assert after.err.strip()
        assert "Traceback" not in after.err


class TestDumpConfig:
    def test_flags_win_over_the_file_and_the_file_over_the_defaults(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("recipe: {epochs: 4, lr: 0.2}\nsearch: {trials: 50}\n")
        done = nas(
            *("search", "a.yaml", "--trials", "60", "--set", "recipe.lr=0.3", "--workers", "2"),
            *("--set", "search.seed=5", "--dump-config"),
            cwd=tmp_path,
        )
        assert (done.returncode, done.stderr) == (0, "")
        found = yaml.safe_load(done.stdout)
        assert (found["recipe"]["epochs"], found["recipe"]["lr"]) == (4, 0.3)
        assert found["recipe"]["batch_size"] == 64
        assert (found["search"]["trials"], found["search"]["workers"]) == (60, 2)
        assert make_config(found).search.seed == 5
        assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]

    def test_output_is_a_configuration_like_any_other(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert in_process(monkeypatch, "search", "--mode", "effects", "--dump-config") == 0
        first = capsys.readouterr().out
        Path("dumped.yaml").write_text(first)
        assert in_process(monkeypatch, "search", "dumped.yaml", "--dump-config") == 0
        assert capsys.readouterr().out == first

    def test_password_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        storage = ("--storage", "postgresql+psycopg://ann:s3cret@db/nas")
        assert in_process(monkeypatch, "search", *storage, "--dump-config") == 0
        shown = capsys.readouterr().out
        assert "s3cret" not in shown
        assert "postgresql+psycopg://ann@db/nas" in shown


class TestResume:
    def test_changed_key_is_named(self, made: Path) -> None:
        arguments = ("search", "--name", "made", "--set", "recipe.epochs=3")
        message = refused(*arguments, cwd=made, code=2)
        assert "Study 'made' was started with recipe.epochs=2, got recipe.epochs=3" in message

    def test_file_that_says_something_else_is_refused(self, made: Path) -> None:
        (made / "a.yaml").write_text("name: made\n")
        assert "was started with recipe.epochs=2" in refused("search", "a.yaml", cwd=made, code=2)

    def test_name_alone_goes_on_with_the_stored_configuration(
        self, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(made)
        arguments = ("search", "--name", "made", "--trials", "9", "--dump-config")
        assert in_process(monkeypatch, *arguments) == 0
        found = yaml.safe_load(capsys.readouterr().out)
        assert (found["recipe"]["epochs"], found["search"]["trials"]) == (2, 9)

    def test_damaged_configuration_is_a_failure(self, made: Path) -> None:
        (made / "runs/made/config.yaml").write_text("format: 1\nrecpe: {}\n")
        message = refused("search", "--name", "made", cwd=made, code=1)
        assert "config.yaml was changed or damaged: Unknown key 'recpe'" in message


class TestInterrupt:
    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            (
                ["--set", "space.kinds=[none, identity]"],
                "nas search --set 'space.kinds=[none, identity]'",
            ),
            (
                ["--storage", "postgresql://ann:s3cret@db/nas"],
                "nas search --storage postgresql://ann@db/nas",
            ),
            (
                ["--storage=postgresql://ann:s3cret@db/nas?password=s3cret"],
                "nas search --storage=postgresql://ann@db/nas",
            ),
            (
                ["--set", "storage=postgresql://ann:s3cret@db/nas", "--set", "recipe.lr=0.3"],
                "nas search --set storage=postgresql://ann@db/nas --set recipe.lr=0.3",
            ),
        ],
    )
    def test_same_command_is_shown_without_a_password(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        given: list[str],
        shown: str,
    ) -> None:
        def interrupted(*arguments: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("nas.launch.run_search", interrupted)
        assert in_process(monkeypatch, "search", *given) == 130
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "is intact. Finished epochs are kept. Go on with:" in printed.err
        assert printed.err.endswith(f"\n  {shown}\n")
        assert "s3cret" not in printed.err

    def test_interrupted_export_of_a_trial_says_how_to_go_on(
        self, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(*arguments: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.chdir(made)
        monkeypatch.setattr("nas.launch.export_trial", interrupted)
        assert in_process(monkeypatch, "export", "made", "--trial", "1") == 130
        printed = capsys.readouterr()
        assert "the study in runs/made is intact" in printed.err
        assert printed.err.endswith("\n  nas export made --trial 1\n")


class TestStatus:
    def test_json_is_all_that_goes_to_stdout(self, made: Path) -> None:
        done = nas("status", "made", "--json", cwd=made)
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert set(found["trials"]) == {"complete", "pruned", "failed", "running", "waiting"}
        assert (found["trials"]["complete"], found["trials"]["running"]) == (3, 1)
        assert {"trial", "value", "spec_id"} <= set(found["best"])
        assert found["workers"] == []

    def test_only_study_needs_no_name(
        self, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(made)
        assert in_process(monkeypatch, "status") == 0
        assert "study    made in runs/made" in capsys.readouterr().out

    def test_missing_study_ends_with_one(self, tmp_path: Path) -> None:
        message = refused("status", cwd=tmp_path, code=1)
        assert "A study is needed, got none in runs/. Launch one with nas search" in message
        assert list(tmp_path.iterdir()) == []

    def test_misspelt_name_is_told_the_nearest(self, made: Path) -> None:
        assert "Did you mean 'made'?" in refused("status", "mad", cwd=made, code=1)


class TestShow:
    def test_json_is_all_that_goes_to_stdout(self, tmp_path: Path) -> None:
        done = nas("show", "resnet-20", "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert (found["layers"], found["params"]) == (20, 269_722)
        assert found["spec_id"] == preset("resnet-20").spec_id
        assert found["macs"] > 0

    def test_run_is_drawn_with_its_numbers_and_as_a_picture(
        self, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(made)
        assert in_process(monkeypatch, "show", "made", "--svg", "a.svg") == 0
        text = capsys.readouterr().out
        assert "stage2.block2" in text
        assert "10 layers" in text
        assert "spec_id " in text
        assert Path("a.svg").read_text().startswith("<svg")

    def test_picture_that_cannot_be_written_is_a_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert in_process(monkeypatch, "show", "resnet-20", "--svg", "no/a.svg") == 1
        assert capsys.readouterr().err == "error: no/a.svg: No such file or directory.\n"

    def test_unknown_name_is_told_what_there_is(self, made: Path) -> None:
        message = refused("show", "nosuch", cwd=made, code=2)
        assert (
            "got 'nosuch'. No such file; runs in runs/: made. Unknown preset 'nosuch'" in message
        )


class TestReport:
    def test_run_is_reported(self, made: Path) -> None:
        done = nas("report", "made", cwd=made)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("\n\nreport   runs/made/report/report.html\n")
        assert (made / "runs/made/report/report.html").is_file()

    def test_a_table_of_other_names_is_read_and_rows_left_out_are_said(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        lines = [f"{n % 2};{n // 2 % 2};{n // 4 % 2};{1 - n % 2},5" for n in range(8)]
        Path("a.csv").write_text("\n".join(["a;b;c;loss", *lines, "1;1;1;"]) + "\n")
        names = {f"skip.stage1.block{block}": name for block, name in enumerate("abc", start=1)}
        kinds = {"1": "identity", "0": "none"}
        Path("names.yaml").write_text(yaml.safe_dump({**names, "value": "loss", "kinds": kinds}))
        table = ("--csv", "a.csv", "--direction", "minimize")
        flags = ("--names", "names.yaml", "--source", "randomised")
        assert in_process(monkeypatch, "report", *table, *flags) == 0
        headline, unused, rows, *_ = capsys.readouterr().out.splitlines()
        assert "8 random networks" in headline
        assert unused == "1 not used, not trained yet: line 10"
        assert rows.startswith("rows     report/rows_to_add.csv: ")
        assert Path("report/rows_to_add.csv").is_file()

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ((), 1, "A study is needed, got none in runs/."),
            (("made", "--csv", "a.csv"), 2, "nas report takes one source, got RUN and --csv."),
            (("--csv", "a.csv"), 2, "minimize or maximize, got direction=None."),
            (("--csv", "a.csv", "--direction", "minimize"), 1, "table of trials must exist, got"),
            (("--csv", "b.csv", "--direction", "minimize"), 1, "b.csv, line 1: column 'trial'"),
            (("--storage", "sqlite:///a.db"), 2, "--storage needs --name, got none."),
            (("--storage", "sqlite:///a.db", "--name", "x"), 1, "SQLite file must exist, got 'a"),
            (("--storage", "a.log", "--name", "x"), 1, "The journal must exist, got 'a.log'."),
            (("made", "--names", "n.yaml"), 2, "--names belongs to --csv or --storage, got 'n.ya"),
            (
                ("--csv", "b.csv", "--direction", "minimize", "--source", "lot"),
                2,
                "source must be a known word, got 'lot'. Known: adaptive, anchor,",
            ),
            (("--sesoi", "0"), 2, "--sesoi must be > 0, got sesoi=0."),
            (("nosuch",), 1, "No run folder and no run in runs/ is named 'nosuch'."),
        ],
    )
    def test_what_cannot_be_reported_is_said(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        code: int,
        message: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("b.csv").write_text("a,b\n1,2\n")
        assert in_process(monkeypatch, "report", *arguments) == code
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        assert message in shown.err
        assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]


class TestExport:
    def test_study_without_finalists_cannot_be_exported(self, made: Path) -> None:
        message = refused("export", "made", cwd=made, code=1)
        assert "An export needs retrained finalists, got none in 'runs/made'" in message

    def test_trial_that_is_not_complete_is_refused(self, made: Path) -> None:
        message = refused("export", "made", "--trial", "3", cwd=made, code=2)
        assert "--trial must be a complete search trial, got trial=3. Complete: " in message


class TestAblate:
    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("nosuch",), 1, "No run folder and no run in runs/ is named 'nosuch'"),
            (("made", "--seeds", "1"), 2, "--seeds must be >= 2, got seeds=1."),
            (("made", "--workers", "many"), 2, "search.workers must be 'auto' or an int"),
            (("made", "--wandb", "onlin"), 2, "wandb.mode must be 'offline', 'online' or"),
            (("made", "--flip", "stage1.block1"), 2, "must be a block and its new kind"),
            (("made",), 2, "retrained finalists are needed, got none for top=1."),
            (("made", "--top", "0", "--flip", "stage3.block1=none"), 2, "got stage3.block1. Did"),
        ],
    )
    def test_what_cannot_be_ablated_is_said_before_any_training(
        self,
        made: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        code: int,
        message: str,
    ) -> None:
        monkeypatch.chdir(made)
        assert in_process(monkeypatch, "ablate", *arguments) == code
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        assert message in shown.err

    def test_interrupted_ablation_says_how_to_go_on(
        self, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(*arguments: object, **options: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.chdir(made)
        monkeypatch.setattr("nas.launch.ablate", interrupted)
        assert in_process(monkeypatch, "ablate", "made", "--seeds", "7") == 130
        assert capsys.readouterr().err.endswith("\n  nas ablate made --seeds 7\n")


class TestDoctor:
    def test_json_is_all_that_goes_to_stdout(self, tmp_path: Path) -> None:
        done = nas("doctor", "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert {"name", "status", "found", "remedy"} == set(found[0])
        assert list(tmp_path.iterdir()) == []

    def test_something_wrong_ends_with_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "runs").touch()
        monkeypatch.chdir(tmp_path)
        assert in_process(monkeypatch, "doctor") == 1
        assert "fail  runs " in capsys.readouterr().out


class TestDebug:
    def test_traceback_is_shown_and_the_exit_code_kept(self, tmp_path: Path) -> None:
        arguments = ("search", "--set", "recipe.epoch=3")
        for where in (("--debug", *arguments), (*arguments, "--debug")):
            done = nas(*where, cwd=tmp_path)
            assert done.returncode == 2
            assert done.stdout == ""
            assert "Traceback" in done.stderr
            assert "ConfigError: Unknown key 'recipe.epoch'" in done.stderr

    def test_error_of_ours_is_one_line_with_a_hint(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(*arguments: object, **options: object) -> None:
            raise KeyError("two\nlines")

        monkeypatch.setattr("nas.show.find_spec", broken)
        assert in_process(monkeypatch, "show", "resnet-20") == 1
        assert capsys.readouterr().err == (
            "error: KeyError: 'two\\nlines'\nAdd --debug to see where it happened.\n"
        )


def test_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "nas"
    done = subprocess.run(
        ["sh", "-c", f"{program} show resnet-1202 --json | head -1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


class TestPlan:
    def test_design_is_written_with_the_command_that_reads_it_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        config = tmp_path / "own.yaml"
        config.write_text("space: {stages: 1, max_blocks: 2}\nsearch: {trials: 5000}\n")
        flags = ("--set", "space.kinds=[none,identity]", "--seed", "3", "--rows", "4")
        assert in_process(monkeypatch, "plan", str(config), *flags) == 0
        said = capsys.readouterr().out
        assert said.startswith(
            "plan     4 rows in plan.csv: networks of 6 layers, 2 blocks of none"
        )
        assert said.endswith("report   nas report --csv plan.csv --direction minimize\n")
        rows = (tmp_path / "plan.csv").read_text().splitlines()[1:]
        assert len({row.split(",", 6)[6] for row in rows}) == 4
        assert in_process(monkeypatch, "plan", str(config)) == 2
        assert "--to must be a new file, got 'plan.csv'" in capsys.readouterr().err
        assert in_process(monkeypatch, "plan", "--to", "sqlite:///mine.db", "--name", "a") == 0
        assert "72 rows enqueued in new study 'a'" in capsys.readouterr().out

    def test_storage_that_cannot_be_reached_is_a_failure(self, tmp_path: Path) -> None:
        flags = ("plan", "--to", "sqlite:////nowhere/x.db", "--name", "a")
        assert "/nowhere/x.db" in refused(*flags, cwd=tmp_path, code=1)
