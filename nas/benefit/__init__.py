"""Where skips help: estimates from the randomised trials; NumPy and SciPy only.

`skip_benefit` gives the whole map as JSON data, `settled` its progress while a study runs.
"""

from nas.benefit.assemble import skip_benefit
from nas.benefit.context import BenefitContext
from nas.benefit.settling import Settled, settled

__all__ = ["BenefitContext", "Settled", "settled", "skip_benefit"]
