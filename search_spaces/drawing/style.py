"""Colours and style sheet of the drawings, in light and in dark; no torch here.

Blue helps and orange hurts: the pair stays apart in the common kinds of colour blindness. Colours
are written out rather than kept in CSS variables, so that simple SVG renderers show them too.
"""

from dataclasses import dataclass
from html import escape

NUM_LEVELS = 3
"""Steps of strength on each side of zero."""


@dataclass(frozen=True, kw_only=True)
class Tone:
    """Fill and text colours of one step, in light and in dark."""

    fill: str
    ink: str
    dark_fill: str
    dark_ink: str


@dataclass(frozen=True, kw_only=True)
class Chip:
    """The effect of one kind of skip at one block, as it is shown."""

    label: str
    """What stands on it, such as `+0.21`; at most about six characters."""
    title: str
    """What a pointer that rests on it is told."""
    strength: float | None = None
    """In [-1, 1]: above 0 it helps, below 0 it hurts, 0 is too small to matter; None where the
    data cannot tell."""


@dataclass(frozen=True, kw_only=True)
class BlockPaint:
    """The effects of one block; None where that kind was not in question."""

    identity: Chip | None = None
    projection: Chip | None = None


TONES = {
    "helps1": Tone(fill="#cfe3f5", ink="#0b2f52", dark_fill="#1d3c5c", dark_ink="#dcebfa"),
    "helps2": Tone(fill="#7db5e4", ink="#04203d", dark_fill="#2c6aa6", dark_ink="#ffffff"),
    "helps3": Tone(fill="#1a65b0", ink="#ffffff", dark_fill="#7cbcf7", dark_ink="#05203b"),
    "hurts1": Tone(fill="#fbdcc0", ink="#512400", dark_fill="#533013", dark_ink="#fde6d0"),
    "hurts2": Tone(fill="#f2a35e", ink="#3a1900", dark_fill="#a15312", dark_ink="#ffffff"),
    "hurts3": Tone(fill="#b34700", ink="#ffffff", dark_fill="#ffae66", dark_ink="#3a1900"),
    "zero": Tone(fill="#ffffff", ink="#4c535d", dark_fill="#16191d", dark_ink="#b4bcc6"),
    "unknown": Tone(fill="#e9ebee", ink="#59616c", dark_fill="#2b3036", dark_ink="#aab2bd"),
}
"""Tones by name; `zero` is an effect too small to matter, `unknown` one that is not settled."""


def tone_of(strength: float | None) -> str:
    """Return the name of the tone for a strength in [-1, 1].

    >>> tone_of(0.9), tone_of(-0.1), tone_of(0.0), tone_of(None)
    ('helps3', 'hurts1', 'zero', 'unknown')
    """
    if strength is None:
        return "unknown"
    if strength == 0:
        return "zero"
    level = min(NUM_LEVELS, 1 + int(abs(strength) * NUM_LEVELS))
    return f"{'helps' if strength > 0 else 'hurts'}{level}"


def text(x: float, y: float, words: str, css: str = "nn-ink", **attributes: str) -> str:
    """Write `words` at a point; attributes with `_` for `-`."""
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}" class="{css}"{extra}>{escape(words)}</text>'


def _tone_rules(*, dark: bool) -> str:
    rules: list[str] = []
    for name, tone in TONES.items():
        fill, ink = (tone.dark_fill, tone.dark_ink) if dark else (tone.fill, tone.ink)
        line = ink if name in ("zero", "unknown") else fill
        if name == ("helps1", "hurts1")[name.startswith("hurts")]:
            # The palest step is too pale for a line.
            other = TONES[name[:-1] + "2"]
            line = other.dark_fill if dark else other.fill
        rules.append(
            f".nn-fill-{name}{{fill:{fill}}}.nn-ink-{name}{{fill:{ink}}}"
            f".nn-line-{name}{{stroke:{line}}}"
        )
    return "".join(rules)


_LIGHT = (
    ".nn-paper{fill:#ffffff}.nn-ink{fill:#1c2127}.nn-quiet{fill:#59616c}"
    ".nn-wire{stroke:#a3abb5;fill:none}.nn-dot{fill:#7d8690}"
    ".nn-block{fill:#f3f4f6;stroke:#8d96a1}.nn-plus{fill:#ffffff;stroke:#59616c}"
    ".nn-identity{stroke:#1a65b0;fill:none}.nn-projection{stroke:#8a3ea8;fill:none}"
    ".nn-conv{fill:#f6eafa;stroke:#8a3ea8}.nn-edge{stroke:#b9bfc7}"
    ".nn-halo{stroke:#ffffff;stroke-width:6px;stroke-linejoin:round;paint-order:stroke}"
)
_DARK = (
    ".nn-paper{fill:#16191d}.nn-ink{fill:#e8ebef}.nn-quiet{fill:#a4adb8}"
    ".nn-wire{stroke:#59626d}.nn-dot{fill:#8d97a3}"
    ".nn-block{fill:#22272d;stroke:#6d7783}.nn-plus{fill:#16191d;stroke:#a4adb8}"
    ".nn-identity{stroke:#7cbcf7}.nn-projection{stroke:#d79aee}"
    ".nn-conv{fill:#3a2344;stroke:#d79aee}.nn-edge{stroke:#4a525c}"
    ".nn-halo{stroke:#16191d}"
)

DRAWING_CSS = (
    ".nn{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif;"
    "font-variant-numeric:tabular-nums}"
    f"{_LIGHT}{_tone_rules(dark=False)}"
    "@media screen and (prefers-color-scheme:dark){"
    f"{_DARK}{_tone_rules(dark=True)}"
    "}"
)
"""Style sheet of all drawings; a page that holds several needs it once."""
