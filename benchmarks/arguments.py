"""Command lines of the benchmarks: everything in them is checked before anything runs.

Errors are one line, as those of `nas` are, and the exit code is 2.
"""

import argparse
import contextlib
import math
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

from search_spaces.errors import UserError
from trainer.data import data_facts
from trainer.errors import DataError

_DEVICES = {
    False: ("cpu or cuda", r"cpu|cuda"),
    True: ("cpu, cuda or cuda:<number>", r"cpu|cuda(:[0-9]+)?"),
}
"""What a device may be, in words and as a pattern, by whether one of several may be chosen."""


class Arguments(argparse.ArgumentParser):
    """A command line whose help is the benchmark's own text, as it is written.

    Args:
        description: Docstring of the benchmark's module.
    """

    def __init__(self, description: str | None) -> None:
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        """Print one line and end with 2."""
        line = message.removeprefix("argument ")
        self.exit(2, f"error: {line}{'' if line.endswith('.') else '. See --help.'}\n")

    @contextlib.contextmanager
    def checking(self) -> Iterator[None]:
        """Print what a user can mend as an error of the command line."""
        try:
            yield
        except UserError as error:
            self.error(str(error))

    def require(self, is_so: bool, message: str) -> None:
        """Refuse the command line unless something holds between its arguments."""
        if not is_so:
            self.error(message)

    def add_int(
        self,
        flag: str,
        default: int | list[int] | None,
        *,
        least: int = 1,
        help: str | None = None,
    ) -> None:
        """Add an argument that takes an int, or several where the default is a list.

        Args:
            flag: Such as `--repeats`.
            default: Its value where it is not given.
            least: The smallest that is allowed.
            help: What it is.
        """
        nargs = "+" if isinstance(default, list) else None
        self.add_argument(flag, type=_int(flag, least), default=default, nargs=nargs, help=help)

    def add_positive(self, flag: str, default: float, *, help: str | None = None) -> None:
        """Add an argument that takes a finite number above 0."""
        self.add_argument(flag, type=_positive(flag), default=default, help=help)

    def add_data(self) -> None:
        """Add `--data`, a shipped data set that can be trained on."""
        self.add_argument(
            "--data", type=_data, default="digits", help="a data set that the toolkit ships"
        )

    def add_device(self, *, may_choose: bool = False) -> None:
        """Add `--device`, which must be there.

        Args:
            may_choose: Whether one of several GPUs may be named, such as `cuda:1`.
        """
        words, _ = _DEVICES[may_choose]
        self.add_argument("--device", type=_device(may_choose), default="cpu", help=words)


def _int(flag: str, least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        with contextlib.suppress(ValueError):
            if int(text) >= least:
                return int(text)
        raise argparse.ArgumentTypeError(
            f"must be an int >= {least}, got {_name(flag)}={text}. Give {least} or more."
        )

    return parse


def _positive(flag: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        with contextlib.suppress(ValueError):
            if 0 < float(text) < math.inf:
                return float(text)
        raise argparse.ArgumentTypeError(
            f"must be a number > 0, got {_name(flag)}={text}. Give a positive number."
        )

    return parse


def _data(name: str) -> str:
    try:
        facts = data_facts(name)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if facts.is_recorded:
        raise argparse.ArgumentTypeError(
            f"must be images to train on, got data={name}, whose trainings are looked up in a "
            "table. Give digits."
        )
    return name


def _device(may_choose: bool) -> Callable[[str], str]:
    words, pattern = _DEVICES[may_choose]

    def parse(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise argparse.ArgumentTypeError(
                f"must be {words}, got device={name}. Name one of them."
            )
        seen = 0 if name == "cpu" else _num_gpus()
        if name != "cpu" and int(name.partition(":")[2] or 0) >= seen:
            raise argparse.ArgumentTypeError(
                f"must be there, got device={name} where torch sees {seen} GPUs. Give --device "
                "cpu, or install a torch with CUDA on a machine with a GPU."
            )
        return name

    return parse


def _num_gpus() -> int:
    # Imported here: most benchmarks leave torch to the processes that they start.
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _name(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")
