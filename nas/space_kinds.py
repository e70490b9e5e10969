"""Which shortcuts the blocks of a space may have; neither torch nor Optuna here."""

from search_spaces.space import SearchSpace
from search_spaces.spec import Kind


def kinds_of(space: SearchSpace) -> tuple[Kind, ...]:
    """Return the kinds that the blocks of a space's deepest networks may have."""
    specs = {kind: space.uniform(space.deepest, kind) for kind in Kind}
    return tuple(kind for kind, spec in specs.items() if space.contains(spec))
