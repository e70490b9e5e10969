"""The report: one self-contained HTML file, the headline, and the skip map; no torch here."""

from nas.report.data import NextStep, ReportData
from nas.report.headline import headline
from nas.report.page import render_report
from nas.report.skip_map import skip_map_svg

__all__ = ["NextStep", "ReportData", "headline", "render_report", "skip_map_svg"]
