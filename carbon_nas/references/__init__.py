"""Published numbers, with their sources and corrections."""

from carbon_nas.references.register import REFERENCES, Reference

__all__ = ["REFERENCES", "Reference"]
