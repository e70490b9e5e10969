"""How many trainings an effect needs to be seen, and what so many trainings can see."""

import math

from scipy.special import ndtri, stdtrit

POWER = 0.8
"""Share of studies that are to see an effect of the stated size."""
ALPHA = 0.05
"""Share of studies that may see an effect where there is none, over the whole family."""
_MOST = 10**9
_USUAL = {"power": f"Usual is {POWER}.", "alpha": f"Usual is {ALPHA}."}
_MEANINGS = {
    "effect": "Give the size of the effect to be seen, in the unit of sd, without its sign.",
    "margin": "Give the size below which effects do not matter, in the unit of sd.",
    "sd": "Give the standard deviation that the model leaves, such as that of former rows.",
    "inflation": "Give 1 for an orthogonal design.",
}


def runs_needed(
    effect: float,
    sd: float,
    num_kinds: int = 2,
    *,
    num_terms: int | None = None,
    family_size: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
    inflation: float = 1.0,
) -> int:
    """Return how many rows of a balanced design see an effect at a single block.

    A difference between two kinds of a block has variance `2 k s^2 / n` in a balanced design of k
    kinds, every row counting for all blocks: `n = 2 k s^2 (z_a + z_b)^2 / d^2`.

    Args:
        effect: The effect, in the metric's unit.
        sd: Standard deviation of what the model of the blocks leaves, in the same unit.
        num_kinds: Kinds that a block may have.
        num_terms: Terms of the model. With it Student's t replaces the normal quantiles, and there
            are at least two rows per term, see `resolution_floor`. None: a large sample.
        family_size: Effects that hold together; Bonferroni's correction over them.
        power: Probability of seeing it.
        alpha: Of seeing anything where there is nothing.
        inflation: Variance in units of an orthogonal design's.

    Returns:
        Rows in all, rounded up.

    Raises:
        ValueError: An effect, a deviation or a probability is out of range.
    """
    _check(effect=effect, sd=sd, inflation=inflation)
    base = 2 * num_kinds * sd**2 * inflation / effect**2
    if base > _MOST:
        return _MOST
    quantiles = _quantiles(power, alpha, family_size, None)
    rows = max(math.ceil(base * quantiles**2 - 1e-9), 1)
    if num_terms is None:
        return rows
    rows = max(rows, resolution_floor(num_terms))
    # Student's quantiles fall with the rows, so that the first number that is enough is found.
    while rows < base * _quantiles(power, alpha, family_size, rows - num_terms) ** 2 - 1e-9:
        rows += max(rows // 200, 1)
    return rows


def detectable(
    num_runs: int,
    sd: float,
    num_kinds: int = 2,
    *,
    num_terms: int | None = None,
    family_size: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
    inflation: float = 1.0,
    num_blocks: int = 1,
) -> float:
    """Return the smallest effect that so many rows of a balanced design see.

    Args:
        num_runs: Rows.
        sd: Standard deviation of what the model of the blocks leaves.
        num_kinds: Kinds that a block may have.
        num_terms: Terms of the model, see `runs_needed`.
        family_size: Effects that hold together.
        power: Probability of seeing it.
        alpha: Of seeing anything where there is nothing.
        inflation: Variance in units of an orthogonal design's.
        num_blocks: Blocks whose mean the effect is, as all of a stage.

    Returns:
        The effect in the unit of `sd`; infinity with fewer rows than two more than terms.

    Raises:
        ValueError: A deviation or a probability is out of range.
    """
    _check(sd=sd, inflation=inflation)
    df = None if num_terms is None else num_runs - num_terms
    if num_runs < 2 or (df is not None and df < 1):
        return math.inf
    variance = 2 * num_kinds * sd**2 * inflation / (num_runs * num_blocks)
    return _quantiles(power, alpha, family_size, df) * math.sqrt(variance)


def resolution_floor(num_terms: int) -> int:
    """Return the rows below which a design of a model of so many terms only screens."""
    return 2 * num_terms


def pairs_needed(
    effect: float,
    sd: float,
    correlation: float = 0.0,
    *,
    family_size: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
) -> int:
    """Return how many pairs see an effect in one network: `2 s^2 (1 - rho) (z_a + z_b)^2 / d^2`.

    Args:
        effect: The effect, in the metric's unit.
        sd: Standard deviation between seeds of one network.
        correlation: Between the two trainings of a pair.
        family_size: Effects that hold together.
        power: Probability of seeing it.
        alpha: Of seeing anything where there is nothing.

    Raises:
        ValueError: An effect, a deviation, a correlation or a probability is out of range.
    """
    _check(effect=effect, sd=sd)
    if not -1 <= correlation <= 1:
        raise ValueError(
            f"power: correlation must be in [-1, 1], got correlation={correlation}. Give 0 where it is "
            "not known."
        )
    quantiles = _quantiles(power, alpha, family_size, None)
    return max(math.ceil(2 * sd**2 * (1 - correlation) * quantiles**2 / effect**2 - 1e-9), 2)


def rows_for_equivalence(
    margin: float, sd: float, num_kinds: int = 2, *, power: float = POWER, alpha: float = ALPHA
) -> int:
    """Return how many rows show that an effect of zero is smaller than a margin.

    Two one-sided tests, for which the power is shared between both sides.

    Args:
        margin: Effects within it do not matter.
        sd: Standard deviation of what the model of the blocks leaves.
        num_kinds: Kinds that a block may have.
        power: Probability of showing it.
        alpha: Of showing it where the effect is as large as the margin.

    Raises:
        ValueError: A margin, a deviation or a probability is out of range.
    """
    _check(margin=margin, sd=sd)
    _check_shares(power, alpha, 1)
    quantiles = float(ndtri(1 - alpha) + ndtri((1 + power) / 2))
    return max(math.ceil(2 * num_kinds * sd**2 * quantiles**2 / margin**2 - 1e-9), 1)


def _quantiles(power: float, alpha: float, family_size: int, df: float | None) -> float:
    """Return the sum of the quantiles of a two-sided test and of its power."""
    _check_shares(power, alpha, family_size)
    tail = 1 - alpha / (2 * family_size)
    if df is None:
        return float(ndtri(tail) + ndtri(power))
    return float(stdtrit(df, tail) + stdtrit(df, power))


def _check_shares(power: float, alpha: float, family_size: int) -> None:
    for name, value in (("power", power), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ValueError(
                f"power: {name} must be in (0, 1), got {name}={value}. {_USUAL[name]}"
            )
    if family_size < 1:
        raise ValueError(
            f"power: family_size must be >= 1, got family_size={family_size}. Give 1 for an effect alone."
        )


def _check(**sizes: float) -> None:
    for name, value in sizes.items():
        if not 0 < value < math.inf:
            raise ValueError(
                f"power: {name} must be a number > 0, got {name}={value}. {_MEANINGS[name]}"
            )
