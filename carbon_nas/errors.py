"""The one tree of errors.

CarbonNasError                 every error of this package; `str()` is one line: what, where, cure
├── UsageError                 the caller asked for something that does not exist or cannot be
│   ├── UnknownName            a study, strategy, workload, target or zone that is not there
│   ├── InvalidStudy           a study file that does not say what it must
│   ├── InvalidSite            a PUE below 1, for instance
│   └── MissingExtra           an optional package is needed and not installed
├── LedgerError                a ledger cannot be read, written or continued
│   ├── LedgerCorrupt          a whole line is damaged or the chain is broken
│   ├── LedgerBusy             another process is writing to it
│   ├── LedgerMismatch         it was recorded by another study, code or machine
│   └── LedgerOverlap          two ledgers counted the same joules of one device
├── CheckpointError            a file of weights cannot be read, or is not what it should be
├── OutputError                a folder or file cannot be written
├── MeterError                 a meter cannot be opened or read
│   └── NoDevice               there is nothing of that kind to meter
├── IncompleteSeries           a series does not cover the time that was asked for
├── UnknownQuantity            a sum over something that is not known
├── MixedQuantities            a sum over quantities of different kinds; a TypeError as well
└── InfeasibleScenario         no architecture meets the latency limit
"""

__all__ = [
    "CarbonNasError",
    "CheckpointError",
    "IncompleteSeries",
    "InfeasibleScenario",
    "InvalidSite",
    "InvalidStudy",
    "LedgerBusy",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerMismatch",
    "LedgerOverlap",
    "MeterError",
    "MissingExtra",
    "MixedQuantities",
    "NoDevice",
    "OutputError",
    "UnknownName",
    "UnknownQuantity",
    "UsageError",
]


class CarbonNasError(Exception):
    """Say what went wrong, where, and how to mend it.

    Args:
        what: what is wrong, as a sentence without a full stop.
        where: the file, line, option or name concerned.
        cure: what the reader can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, cure: str | None = None) -> None:
        self.what, self.where, self.cure = what, where, cure
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what if self.where is None else f"{self.where}: {self.what}"]
        if self.cure:
            parts.append(self.cure)
        # Vendors write lines into their messages; ours is one.
        return " ".join("; ".join(parts).split())


class UsageError(CarbonNasError):
    """The caller asked for something that does not exist or cannot be."""


class UnknownName(UsageError):
    """A study, strategy, workload, target or zone is not there."""


class InvalidStudy(UsageError):
    """A study file does not say what it must."""


class InvalidSite(UsageError):
    """A site cannot be what is claimed, such as a PUE below 1."""


class MissingExtra(UsageError):
    """An optional package is needed and not installed."""

    @classmethod
    def of(
        cls,
        package: str | None,
        *,
        extra: str = "nas",
        needed_by: str = "networks",
        otherwise: str | None = None,
    ) -> "MissingExtra":
        """Name the missing package, the command that installs it, and what can be done without."""
        return cls(
            f"{needed_by} need the package {package}, which is not installed",
            cure="; ".join(filter(None, [f"get it with: pip install 'carbon-nas[{extra}]'", otherwise])),
        )


class LedgerError(CarbonNasError):
    """A ledger cannot be read, written or continued."""


class LedgerCorrupt(LedgerError):
    """A whole line is damaged or the chain of hashes is broken."""


class LedgerBusy(LedgerError):
    """Another process is writing to the ledger."""


class LedgerMismatch(LedgerError):
    """The ledger was recorded by another study, code or machine."""


class LedgerOverlap(LedgerError):
    """Two ledgers metered the same device at the same time, so that a sum would count its joules twice."""


class CheckpointError(CarbonNasError):
    """A file of weights cannot be read, or is not what it should be."""


class OutputError(CarbonNasError):
    """A folder or file cannot be written."""


class MeterError(CarbonNasError):
    """A meter cannot be opened or read."""


class NoDevice(MeterError):
    """There is nothing of that kind to meter on this host: no driver, or no device that is visible."""


class IncompleteSeries(CarbonNasError):
    """A series of intensities has no value for a part of the time that was asked for."""


class UnknownQuantity(CarbonNasError):
    """A sum was asked for over something that is not known."""


class MixedQuantities(CarbonNasError, TypeError):
    """Quantities of different kinds were added or compared, such as location-based and market-based CO2e."""


class InfeasibleScenario(CarbonNasError):
    """No architecture meets the latency limit of a scenario."""
