"""The report as one self-contained HTML page."""

from nas.report.associations import associations_section
from nas.report.changes import CHANGES_ID, changes_script
from nas.report.claims import claims_section
from nas.report.data import ReportData
from nas.report.details import (
    anchors_section,
    best_section,
    effects_section,
    noise_section,
    search_section,
)
from nas.report.first_screen import first_screen
from nas.report.headline import headline
from nas.report.html import esc
from nas.report.long_skips import long_skips_section
from nas.report.method import cite_section, method_section, warnings_section
from nas.report.neighbours import neighbours_section
from nas.report.numbers import count, duration, mapping
from nas.report.outcomes import failures_section, outcomes_section
from nas.report.over_depth import aligned_section
from nas.report.paired import paired_section
from nas.report.rates import rates_section
from nas.report.sight import sight_section
from nas.report.signals import signals_section
from nas.report.style import PAGE_CSS
from nas.report.truth import truth_section

_SECTIONS = (
    ("effects", "Effects"),
    ("paired", "Single networks"),
    ("claims", "Claims"),
    ("spans", "Long skips"),
    ("best", "Best networks"),
    ("search", "Search"),
    ("anchors", "Anchors"),
    ("method", "Method"),
    ("cite", "Cite"),
)


def render_report(data: ReportData) -> str:
    """Return the report: one HTML page that fetches nothing.

    A page is always written; what the data lacks is said or left out. Without script everything
    can be read; with it, skips can be changed in the network and the change is predicted.

    Args:
        data: Effects, trials and settings of the study.
    """
    body = [
        effects_section(data),
        paired_section(data),
        truth_section(data),
        rates_section(data),
        neighbours_section(data),
        aligned_section(data),
        failures_section(data),
        outcomes_section(data),
        long_skips_section(data),
        claims_section(data),
        signals_section(data),
        best_section(data),
        search_section(data),
        anchors_section(data),
        noise_section(data),
        sight_section(data),
        associations_section(data),
        warnings_section(data),
        method_section(data),
        cite_section(data),
    ]
    main, first = "".join(body), first_screen(data)
    script = changes_script() if CHANGES_ID in first else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{esc(data.study)}: where skips help</title>"
        f'<meta name="description" content="{esc(headline(data.benefit))}">'
        f"<style>{PAGE_CSS}</style></head><body>"
        '<a class="skip" href="#effects">Skip to the effects</a>'
        f'<div class="page">{_bar(data, main)}<main>{first}{main}</main>'
        f"{_footer(data)}</div>{script}</body></html>\n"
    )


def _bar(data: ReportData, main: str) -> str:
    facts = [f"<b>{esc(data.study)}</b>"]
    dataset = data.facts.name if data.facts else mapping(data.benefit.get("data")).get("dataset")
    if dataset and dataset != data.study:
        facts.append(esc(dataset))
    if data.trials:
        facts.append(count(len(data.trials), "trial"))
    if data.seconds is not None:
        facts.append(esc(duration(data.seconds)))
    if date := str(data.benefit.get("last_trial_utc") or "")[:10]:
        facts.append(esc(date))
    links = "".join(
        f'<a href="#{name}">{words}</a>' for name, words in _SECTIONS if f'id="{name}"' in main
    )
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    return f'<header class="bar">{spans}<nav aria-label="Sections">{links}</nav></header>'


def _footer(data: ReportData) -> str:
    version = data.benefit.get("tool_version")
    made = f"Made by nas {esc(version)}. " if version else "Made by nas. "
    words = "The numbers of this page are in skip_benefit.json beside it."
    return f"<footer>{made}{words}</footer>"
