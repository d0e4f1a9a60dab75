"""Reports: composed as documents, rendered into files."""

from carbon_nas.reporting.report import build, write_report
from carbon_nas.reporting.request import Request, ask

__all__ = ["Request", "ask", "build", "write_report"]
