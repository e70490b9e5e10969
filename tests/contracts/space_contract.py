"""The contract of search spaces, which users import from `nas.testing`."""

from nas.testing import SpaceContract
from nas.testing.networks import measured_complexity

__all__ = ["SpaceContract", "measured_complexity"]
