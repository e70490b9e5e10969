"""The toy of C2: how many steps one block needs to learn the identity, with a skip and without."""

from typing import Any

import torch
from torch import Tensor

from trainer.seeding import generator

RATES = (0.01, 0.03, 0.1)
"""Learning rates, of which each arm is judged by its best."""
MOST_STEPS = 2000
"""A block that has not learnt the identity by then counts as this many."""
_WIDTH = 16
_HIDDEN = 64
_BATCH = 64
_GOAL = 1e-2
_MOMENTUM = 0.9


def toy_steps(num_seeds: int, study_seed: int) -> dict[str, Any]:
    """Count the steps of SGD until the mean squared error is 0.01.

    The block is two linear layers with a ReLU between them, its inputs are standard normal, anew in
    every step. Both arms have the same initial weights and the same inputs.

    Args:
        num_seeds: Initialisations.
        study_seed: Master of their randomness.

    Returns:
        `rates`, and for `with_skip` and `without`: by rate, then by seed, the steps.
    """
    arms = (1.0, 0.0)
    steps = _train(num_seeds, study_seed, arms)
    by_arm = steps.view(len(arms), len(RATES), num_seeds).tolist()
    return {"rates": list(RATES), "with_skip": by_arm[0], "without": by_arm[1]}


def _train(num_seeds: int, study_seed: int, arms: tuple[float, ...]) -> Tensor:
    """Return steps by arm, rate and seed, all of them trained side by side."""
    first, second = _initial_weights(num_seeds, study_seed, len(arms))
    number = len(first)
    shape = (len(arms), len(RATES), num_seeds)
    skip = torch.tensor(arms).view(-1, 1, 1).expand(shape).reshape(number, 1, 1)
    rate = torch.tensor(RATES).view(1, -1, 1).expand(shape).reshape(number, 1, 1)
    moments = [torch.zeros_like(first), torch.zeros_like(second)]
    steps = torch.full((number,), MOST_STEPS)
    draws = [generator(study_seed, "toy-inputs", seed) for seed in range(num_seeds)]
    for step in range(MOST_STEPS):
        inputs = torch.stack([torch.randn(_BATCH, _WIDTH, generator=g) for g in draws])
        x = inputs.expand(len(arms) * len(RATES), *inputs.shape).reshape(number, _BATCH, _WIDTH)
        hidden = torch.relu(x @ first)
        error = hidden @ second + (skip - 1) * x
        reached = (error.square().mean(dim=(1, 2)) <= _GOAL) & (steps == MOST_STEPS)
        steps[reached] = step
        if bool((steps < MOST_STEPS).all()):
            break
        # Gradients of the mean squared error by hand: a block has no part in another's.
        outer = error * (2 / (_BATCH * _WIDTH))
        inner = (outer @ second.transpose(1, 2)) * (hidden > 0)
        gradients = (x.transpose(1, 2) @ inner, hidden.transpose(1, 2) @ outer)
        for weight, moment, gradient in zip((first, second), moments, gradients, strict=True):
            moment.mul_(_MOMENTUM).add_(gradient)
            weight.sub_(rate * moment)
    return steps


def _initial_weights(num_seeds: int, study_seed: int, num_arms: int) -> tuple[Tensor, Tensor]:
    """Return He-normal weights, the same for every arm and rate of a seed."""
    first, second = [], []
    for seed in range(num_seeds):
        draws = generator(study_seed, "toy-init", seed)
        first.append(torch.randn(_WIDTH, _HIDDEN, generator=draws) * (2 / _WIDTH) ** 0.5)
        second.append(torch.randn(_HIDDEN, _WIDTH, generator=draws) * (2 / _HIDDEN) ** 0.5)
    copies = num_arms * len(RATES)
    return torch.stack(first).repeat(copies, 1, 1), torch.stack(second).repeat(copies, 1, 1)
