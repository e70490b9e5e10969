"""All claims in the order in which they are shown."""

from collections.abc import Sequence

from nas.claims.depth import GROWTH, TRAINABLE
from nas.claims.equality import EQUALITY
from nas.claims.features import ACCESS
from nas.claims.gradients import SHATTERING, VANISHING
from nas.claims.kinds import KINDS
from nas.claims.positions import TREND
from nas.claims.residual_form import RESIDUAL_FORM
from nas.claims.results import ClaimTest
from nas.errors import ConfigError
from search_spaces.errors import did_you_mean

CLAIMS: tuple[ClaimTest, ...] = (
    VANISHING,
    SHATTERING,
    RESIDUAL_FORM,
    TREND,
    TRAINABLE,
    EQUALITY,
    KINDS,
    GROWTH,
    ACCESS,
)


def choose_claims(names: Sequence[str]) -> tuple[ClaimTest, ...]:
    """Return the claims of these names, in their usual order; all of them where none is named.

    Raises:
        ConfigError: No claim has one of the names.
    """
    known = {claim.id.lower(): claim for claim in CLAIMS}
    wanted = [part.strip() for name in names for part in name.split(",")]
    for name in wanted:
        if name.lower() not in known:
            words = did_you_mean(name, [claim.id for claim in CLAIMS])
            raise ConfigError(f"--only must name a claim, got only={name!r}. {words}")
    chosen = {known[name.lower()].id for name in wanted}
    return tuple(claim for claim in CLAIMS if not chosen or claim.id in chosen)
