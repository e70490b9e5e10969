"""What adaptive trials train: the sampler's proposals that are new and allowed, or random ones."""

from collections import Counter
from collections.abc import Callable, Container

import numpy as np
from optuna.trial import TrialState

from nas.config import StudyConfig
from nas.constraints import Limits, broken
from nas.errors import TrainingError
from nas.known_specs import KnownSpecs
from nas.sampling import Ask, SamplerMirror
from search_spaces.space import SearchSpace
from trainer.seeding import child_seed

MAX_REPEATED_ASKS = 20
"""How often a sampler may propose known architectures before a random new one is taken."""
MAX_REFUSED_ASKS = 50
"""How often a sampler may propose what is beyond a constraint, for one trial, before a random
allowed network is taken."""


class Proposals:
    """Proposals for adaptive trials, asked one at a time.

    Args:
        config: The study's configuration.
        space: Its search space.
        mirror: The sampler.
        known: What was trained.
        limits: What is refused.
        planned: Returns the ids of architectures that the design trains.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        mirror: SamplerMirror,
        known: KnownSpecs,
        limits: Limits,
        planned: Callable[[], Container[str]],
    ) -> None:
        self.refused: Counter[str] = Counter()
        """Proposals since the last trial that were beyond a constraint, by constraint."""
        self._config = config
        self._space = space
        self._mirror = mirror
        self._known = known
        self._limits = limits
        self._planned = planned

    @property
    def _may_repeat(self) -> bool:
        """Whether an architecture may be trained again without being the same training."""
        return self._config.search.duplicates == "reseed" or bool(self._config.recipe.ranges)

    def new(self, number: int, busy: Container[str]) -> Ask:
        """Ask the sampler until it proposes an architecture that nobody has trained or will.

        One beyond a constraint is told as such and costs no training. With a range in the recipe
        an architecture may come again, to be trained by another recipe.

        Args:
            number: Of the trial; random draws follow from it.
            busy: Ids of the architectures in training.

        Raises:
            OutOfTimeError: The next turn goes on with looking.
            TrainingError: No allowed network is found.
        """
        num_repeated = 0
        while num_repeated < MAX_REPEATED_ASKS:
            ask = self._allowed()
            if ask is None:
                break
            if self._may_repeat:
                return ask
            num_repeated += 1
            spec_id = ask.spec.spec_id
            num_trials = self._known.num_trials(spec_id)
            if not num_trials and spec_id not in busy and spec_id not in self._planned():
                return ask
            known = self._known.value(spec_id)
            state = TrialState.FAIL if known is None else TrialState.COMPLETE
            self._mirror.tell(ask, state, known)
        return self.at_random(number, busy)

    def at_random(self, number: int, busy: Container[str]) -> Ask:
        """Propose a random new architecture; where there is none left, what the sampler likes.

        Args:
            number: Of the trial; the draws follow from it.
            busy: Ids of the architectures in training.

        Raises:
            OutOfTimeError: The next turn goes on with the same draws.
            TrainingError: No allowed network is found.
        """
        rng = np.random.default_rng(child_seed(self._config.search.seed, "adaptive", number))
        spec = self._known.sample(rng, busy, self._planned())
        if spec is None:
            ask = self._allowed()
            if ask is not None:
                return ask
            spec = self._known.sample_again(rng)
        if spec is None:
            raise TrainingError(
                "A network within the constraints must be found to go on, got none of many random "
                "ones. Finish with what is trained (a smaller --trials), or choose another --name "
                "with higher limits."
            )
        return self._mirror.ask(dict(self._space.decisions(spec)))

    def _allowed(self) -> Ask | None:
        """Ask the sampler until it proposes what is within the constraints; None at last."""
        # Counted over turns. One proposal is measured at most before the time is looked at.
        while self.refused.total() < MAX_REFUSED_ASKS:
            self._limits.check_turn()
            ask = self._mirror.ask()
            name = broken(ask.excess)
            if name is None:
                return ask
            self.refused[name] += 1
            self._mirror.refuse(ask)
        return None
