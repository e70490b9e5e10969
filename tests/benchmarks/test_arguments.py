"""Command lines of the benchmarks: what is wrong is one line, before anything runs."""

from types import ModuleType

import pytest
import torch

from benchmarks import (
    candidate_size,
    candidates_per_hour,
    control_plane,
    lightning_overhead,
    record_table,
    restart,
    scaling,
    search_efficiency,
    time_to_precision,
)
from benchmarks.arguments import Arguments
from search_spaces.errors import UserError

ALL = (
    candidate_size,
    candidates_per_hour,
    control_plane,
    lightning_overhead,
    record_table,
    restart,
    scaling,
    search_efficiency,
    time_to_precision,
)
AT_LEAST_ONE = [
    (candidate_size, ["repeats", "groups"]),
    (candidates_per_hour, ["architectures", "repeats", "widths", "max-blocks", "epochs"]),
    (control_plane, ["candidates", "repeats"]),
    (lightning_overhead, ["widths", "depths", "epochs", "repeats"]),
    (record_table, ["stages", "blocks", "width", "epochs", "seeds", "workers", "group", "limit"]),
    (restart, ["trials", "epochs", "repeats"]),
    (scaling, ["architectures", "repeats", "epochs", "max-blocks"]),
    (search_efficiency, ["searches", "slots", "workers"]),
    (time_to_precision, ["blocks", "trials", "part", "repeats", "epochs"]),
]


@pytest.fixture
def error_of(capsys: pytest.CaptureFixture[str]):
    def run(module: ModuleType, given: str) -> str:
        with pytest.raises(SystemExit) as caught:
            module.main(given.split())
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error.rstrip()

    return run


@pytest.mark.parametrize(
    ("module", "flags"), AT_LEAST_ONE, ids=lambda v: getattr(v, "__name__", "")
)
def test_numbers_below_one_are_refused(error_of, module: ModuleType, flags: list[str]) -> None:
    for flag in flags:
        name = flag.replace("-", "_")
        assert error_of(module, f"--{flag} 0") == (
            f"error: --{flag}: must be an int >= 1, got {name}=0. Give 1 or more."
        )


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        (scaling, "--workers 1", "--workers: must be an int >= 2, got workers=1. Give 2 or more."),
        (scaling, "--repeats few", "--repeats: must be an int >= 1, got repeats=few. Give 1 or"),
        (scaling, "--repeats 1.5", "--repeats: must be an int >= 1, got repeats=1.5."),
        (scaling, "--nothing", "unrecognized arguments: --nothing. See --help."),
        (scaling, "--architectures 5 --max-blocks 0", "--max-blocks: must be an int >= 1"),
        (scaling, "--max-blocks 1 --architectures 28", "got trials=28 for 27 architectures."),
        (restart, "--killed 2", "--killed: must be an int >= 3, got killed=2."),
        (control_plane, "--stock -1", "--stock: must be an int >= 0, got stock=-1."),
        (control_plane, "--seconds 0", "--seconds: must be a number > 0, got seconds=0."),
        (time_to_precision, "--worthwhile nan", "must be a number > 0, got worthwhile=nan."),
        (time_to_precision, "--worthwhile inf", "must be a number > 0, got worthwhile=inf."),
        (time_to_precision, "--part 1 --repeats 1", "--part: must be at least 2 in one turn, got"),
        (time_to_precision, "--blocks 1 --trials 9", "got trials=9 for 8 architectures."),
        (lightning_overhead, "--images 1", "--images: must be an int >= 2, got images=1."),
        (lightning_overhead, "--batch-size 1", "--batch-size: must be an int >= 2, got batch_si"),
        (lightning_overhead, "--widths 2000000", "space.width must be an int >= 1"),
        (candidate_size, "--groups 2 4", "--groups: must hold 1, got groups=[2, 4]. Add it"),
        (candidate_size, "--batch-size 68", "digits has 1077 training and 360 validation images"),
        (search_efficiency, "--budget 4", "--budget: must be at least --slots, as no training"),
        (search_efficiency, "--table /nothing", "error: /nothing: must be a table that"),
        (candidates_per_hour, "--data digit", "--data: Unknown data set 'digit'. Did you mean"),
        (candidates_per_hour, "--data skipbench", "--data: must be images to train on, got data="),
        (candidates_per_hour, "--arms all", "--arms: invalid choice: 'all'"),
        (candidates_per_hour, "--widths 8 2000000", "got width=2000000"),
        (candidates_per_hour, "--device gpu", "--device: must be cpu or cuda, got device=gpu."),
        (candidates_per_hour, "--device cuda:0", "--device: must be cpu or cuda, got device=cuda"),
        (lightning_overhead, "--device cuda:x", "must be cpu, cuda or cuda:<number>, got device="),
        (lightning_overhead, "--device cuda:99", "--device: must be there, got device=cuda:99 wh"),
    ],
)
def test_what_is_wrong_is_named(error_of, module: ModuleType, given: str, message: str) -> None:
    error = error_of(module, given)
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "module",
    [candidate_size, candidates_per_hour, lightning_overhead, scaling, time_to_precision],
)
def test_a_gpu_must_be_there(error_of, module: ModuleType) -> None:
    assert error_of(module, "--device cuda") == (
        "error: --device: must be there, got device=cuda where torch sees 0 GPUs. Give --device "
        "cpu, or install a torch with CUDA on a machine with a GPU."
    )


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.__name__)
def test_help_is_the_text_of_the_module(
    module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        module.main(["-h"])
    assert caught.value.code == 0
    assert (module.__doc__ or "").strip() in capsys.readouterr().out


def test_what_a_user_can_mend_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Arguments("What it does.")
    with pytest.raises(SystemExit, match="2"), parser.checking():
        raise UserError("recipe: epochs must be >= 1, got epochs=0. Train longer.")
    error = capsys.readouterr().err
    assert error == "error: recipe: epochs must be >= 1, got epochs=0. Train longer.\n"


def test_what_is_given_is_taken() -> None:
    parser = Arguments("What it does.")
    parser.add_int("--repeats", 5)
    parser.add_int("--batch-size", 64, least=2)
    parser.add_int("--widths", [8])
    parser.add_positive("--seconds", 1.0)
    parser.add_data()
    parser.add_device()
    given = "--widths 4 8 --seconds 1e-3 --batch-size 2 --data generated-3x32x32 --device cpu"
    assert vars(parser.parse_args(given.split())) == {
        "repeats": 5,
        "batch_size": 2,
        "widths": [4, 8],
        "seconds": 1e-3,
        "data": "generated-3x32x32",
        "device": "cpu",
    }
