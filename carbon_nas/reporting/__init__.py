"""Reports: composed as documents, rendered into files."""

from carbon_nas.reporting.report import build, write_report

__all__ = ["build", "write_report"]
