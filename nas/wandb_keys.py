"""How decisions are called in W&B, whose keys have no dots because it reads those as nesting.

`skip.stage2.block3` becomes `skip_s2_b03`, with two digits so that alphabetical order is network
order.
"""

import re

_DECISION = re.compile(r"^([a-z_]+\d*)\.stage(\d+)(?:\.block(\d+))?$")
_KEY = re.compile(r"^([a-z_]+\d*)_s(\d+)(?:_b(\d{2,}))?$")


def to_key(name: str) -> str:
    """Return W&B's key of an Optuna parameter.

    >>> to_key("skip.stage2.block3"), to_key("depth.stage1"), to_key("my.choice")
    ('skip_s2_b03', 'depth_s1', 'my__choice')
    """
    match = _DECISION.match(name)
    if match is None:
        return name.replace(".", "__")
    block = f"_b{int(match[3]):02d}" if match[3] else ""
    return f"{match[1]}_s{match[2]}{block}"


def to_parameter(key: str) -> str:
    """Return the Optuna parameter of a W&B key, the inverse of `to_key`.

    >>> to_parameter("skip_s2_b03"), to_parameter("depth_s1"), to_parameter("my__choice")
    ('skip.stage2.block3', 'depth.stage1', 'my.choice')
    """
    match = _KEY.match(key)
    if match is None:
        return key.replace("__", ".")
    block = f".block{int(match[3])}" if match[3] else ""
    return f"{match[1]}.stage{match[2]}{block}"
