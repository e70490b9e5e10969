from pathlib import Path
from typing import Any

import pytest

from nas.config import make_config
from nas.config_file import (
    check_resume,
    load_config,
    merge,
    nested,
    parse_assignments,
    read_yaml,
)
from nas.errors import ConfigError, ResumeError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text("name: mine\nrecipe: {epochs: 4, lr: 0.2}\nsearch:\n  trials: 50\n")
    return path


def test_flags_win_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    config = load_config(file, {"recipe": {"epochs": 6}, "search": {"seed": 3}})
    assert config.name == "mine"
    assert (config.recipe.epochs, config.recipe.lr, config.recipe.batch_size) == (6, 0.2, 64)
    assert (config.search.trials, config.search.seed) == (50, 3)


def test_without_a_file_it_is_the_digits_study() -> None:
    assert load_config(None, {}) == make_config({})


def test_empty_file_is_the_digits_study(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert load_config(tmp_path / "empty.yaml", {}) == make_config({})


def test_configuration_of_a_run_folder_is_a_file_like_any_other(file: Path) -> None:
    file.write_text("format: 1\n" + file.read_text())
    assert load_config(file, {}).name == "mine"


def test_configuration_of_another_format_is_refused(file: Path) -> None:
    file.write_text("format: 2\n" + file.read_text())
    with pytest.raises(ConfigError, match="format must be 1, got format=2"):
        load_config(file, {})


class TestReadYaml:
    def test_missing_file(self, tmp_path: Path) -> None:
        match = f"file must exist, got '{tmp_path}/no.yaml'. Give a YAML file, or none"
        with pytest.raises(ConfigError, match=match):
            read_yaml(tmp_path / "no.yaml")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"a: [1, 2", "while parsing a flow sequence"),
            (b"a: b: c", "mapping values are not allowed"),
            (b"\xff\xfe\xfa", "'utf-8' codec"),
        ],
    )
    def test_file_that_is_no_yaml(self, tmp_path: Path, text: bytes, reason: str) -> None:
        (tmp_path / "a.yaml").write_bytes(text)
        with pytest.raises(ConfigError, match=f"a.yaml: must be readable YAML, got {reason}"):
            read_yaml(tmp_path / "a.yaml")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"must be readable YAML, got .*Is a directory"):
            read_yaml(tmp_path)

    @pytest.mark.parametrize(("text", "kind"), [("- a\n- b\n", "list"), ("hello\n", "str")])
    def test_file_of_something_else(self, tmp_path: Path, text: str, kind: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        with pytest.raises(ConfigError, match=f"must hold keys and values, got {kind}"):
            read_yaml(tmp_path / "a.yaml")


class TestAssignments:
    def test_values_are_yaml_and_keys_are_nested(self) -> None:
        found = parse_assignments(
            ["recipe.lr=0.05", "space.kinds=[none]", "name=a=b", "search.until=null", "data="]
        )
        assert found == {
            "recipe": {"lr": 0.05},
            "space": {"kinds": ["none"]},
            "name": "a=b",
            "search": {"until": None},
            "data": None,
        }

    def test_later_ones_win(self) -> None:
        assert parse_assignments(["a.b=1", "a.c=2", "a.b=3"]) == {"a": {"b": 3, "c": 2}}

    @pytest.mark.parametrize("text", ["recipe.epochs", "=4", ""])
    def test_text_without_a_key_or_an_equals_sign(self, text: str) -> None:
        with pytest.raises(ConfigError, match=f"--set takes key=value, got '{text}'. Write"):
            parse_assignments([text])

    def test_value_that_is_no_yaml(self) -> None:
        match = r"--set space.kinds: the value must be YAML, got '\[none' .while parsing"
        with pytest.raises(ConfigError, match=match):
            parse_assignments(["space.kinds=[none"])

    @pytest.mark.parametrize("turn", [1, -1])
    def test_class_and_arguments_come_in_any_order(self, turn: int) -> None:
        texts = ["search.sampler.class_path=a.B", "search.sampler.init_args.n=1"][::turn]
        sampler = {"class_path": "a.B", "init_args": {"n": 1}}
        assert parse_assignments(texts) == {"search": {"sampler": sampler}}


def test_merge_keeps_both_and_changes_neither() -> None:
    base: dict[str, Any] = {"a": {"b": 1, "c": 2}, "d": 3}
    over: dict[str, Any] = {"a": {"b": 9}, "e": {"f": 1}}
    assert merge(base, over) == {"a": {"b": 9, "c": 2}, "d": 3, "e": {"f": 1}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert over == {"a": {"b": 9}, "e": {"f": 1}}


def test_arguments_of_one_class_are_not_given_to_another() -> None:
    base = nested("sampler", {"class_path": "a.B", "init_args": {"n": 1}})
    assert merge(base, nested("sampler.class_path", "a.C")) == {"sampler": {"class_path": "a.C"}}


class TestResume:
    STORED = make_config({"name": "mine", "search": {"pruner": {"class_path": "a.B"}}})

    def asked(self, key: str, value: Any) -> None:
        check_resume(self.STORED, make_config(merge(self.STORED.to_dict(), nested(key, value))))

    def test_same_configuration_goes_on(self) -> None:
        check_resume(self.STORED, self.STORED)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("search.trials", 300),
            ("search.workers", 7),
            ("search.group_size", 4),
            ("search.devices", "cpu"),
            ("search.until", "settled"),
            ("wandb.mode", "disabled"),
            ("wandb.project", "other"),
        ],
    )
    def test_what_changes_no_result_may_differ(self, key: str, value: Any) -> None:
        self.asked(key, value)

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("recipe.epochs", 4, "with recipe.epochs=8, got recipe.epochs=4"),
            ("space.max_blocks", 4, "with space.max_blocks=5, got space.max_blocks=4"),
            ("space.kinds", ["none", "identity"], "with space.kinds=.*, got space.kinds="),
            ("search.seed", 1, "with search.seed=0, got search.seed=1"),
            ("search.startup_trials", 3, "with search.startup_trials=10, got"),
            ("search.sampler", "random", "with search.sampler='tpe', got search.sampler='random'"),
            (
                "search.sampler",
                {"class_path": "a.B"},
                "with search.sampler='tpe', got search.sampler={'class_path': 'a.B'",
            ),
            ("search.pruner", None, "with search.pruner={'class_path': 'a.B', .*, got .*=null"),
            ("search.pruner.init_args.n", 2, "with search.pruner=.*, got .*'init_args': {'n': 2}"),
            (
                "recipe.lr",
                {"low": 0.01, "high": 0.1},
                r"with recipe.lr=0\.\d+, got recipe.lr={'low': 0.01, 'high': 0.1}",
            ),
            ("search.sesoi", 0.1, "with search.sesoi=null, got search.sesoi=0.1"),
            ("storage", "sqlite:///a.db", "with storage='journal', got storage='sqlite:///a.db'"),
        ],
    )
    def test_anything_else_is_named(self, key: str, value: Any, message: str) -> None:
        with pytest.raises(ResumeError, match=f"Study 'mine' was started {message}") as caught:
            self.asked(key, value)
        names = "trials, workers, group_size, devices, until and wandb"
        assert f"Only {names} may differ; choose another --name" in str(caught.value)
