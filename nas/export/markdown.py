"""Numbers and tables as Markdown."""

from collections.abc import Sequence

from nas.finalists import Spread


def spread_cells(spread: Spread) -> list[str]:
    """Return mean, standard deviation, interval and count."""
    return [
        number(spread.mean),
        "not known" if spread.sd is None else number(spread.sd),
        interval(spread.low, spread.high),
        str(spread.n),
    ]


def mean_sd(spread: Spread) -> str:
    """Return `0.9722 ± 0.0031`."""
    return number(spread.mean) + ("" if spread.sd is None else f" ± {spread.sd:.4f}")


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    """Return `0.96 to 0.98`; `sign` is `+` for differences."""
    if low is None or high is None:
        return "not known"
    return f"{low:{sign}.4f} to {high:{sign}.4f}"


def number(value: float | None) -> str:
    """Return four decimals."""
    return "not measured" if value is None else f"{value:.4f}"


def numbers(values: Sequence[float]) -> str:
    """Return numbers in four significant digits."""
    return ", ".join(f"{value:.4g}" for value in values)


def duration(seconds: float) -> str:
    """Return seconds, or minutes from two on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
