"""Export: the best architecture as files that run without this toolkit, proven before success."""

from nas.export.exportable import check_exportable
from nas.export.request import ExportRequest, ExportResult, SearchCost
from nas.export.write import write_export

__all__ = ["ExportRequest", "ExportResult", "SearchCost", "check_exportable", "write_export"]
