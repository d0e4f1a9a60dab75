"""A report before it has a format: sections of paragraphs, tables and figures. Every cell knows its tier."""

from dataclasses import dataclass

from carbon_nas.sources import Source, Tier

__all__ = ["Block", "Card", "Cell", "Column", "Document", "FigureBlock", "Section", "Table", "Text"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A table cell.

    Attributes:
        text: as it is shown.
        tier: how sure it is; None for names and words only.
        value: the number behind it, in `unit`; None for names, words, and what is not known.
        link: a file beside the report that a page leads to from here; empty for none.
    """

    text: str
    tier: Tier | None = None
    value: float | None = None
    unit: str = ""
    link: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A table column.

    Attributes:
        key: its name in data files, with the unit in it.
        shown: False for what only programs want: it stands in data files, and on no page.
    """

    key: str
    title: str
    numeric: bool = True
    shown: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table, which also becomes `data/<key>.csv`.

    Attributes:
        folded: the page shows its title, and its rows when they are asked for.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False

    @property
    def shown_columns(self) -> tuple[Column, ...]:
        """The columns that a page shows."""
        return tuple(column for column in self.columns if column.shown)

    @property
    def shown_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells that a page shows."""
        return tuple(
            tuple(cell for column, cell in zip(self.columns, row, strict=True) if column.shown) for row in self.rows
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureBlock:
    """A figure, which also becomes `figures/<key>.{pdf,svg,png}`."""

    key: str
    title: str
    caption: str

    @property
    def sentence(self) -> str:
        """The title, with a full stop unless it ends with a mark of its own."""
        return self.title if self.title.endswith(("?", "!", ".")) else f"{self.title}."


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A number that the reader sees first."""

    label: str
    value: str
    detail: str
    tier: Tier


Block = Text | Table | FigureBlock


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A titled part of a report."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A report.

    Attributes:
        verdict: what was found, in sentences.
        caveats: what must be known before it is quoted; never shown apart from the verdict.
        sources: everything that a number in it was taken from.
        numbers: the file in its folder that holds every number unrounded.
    """

    title: str
    subtitle: str
    verdict: tuple[str, ...]
    caveats: tuple[str, ...]
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]
    numbers: str = "data/comparison.json"

    @property
    def has_ledgers(self) -> bool:
        """Whether it was drawn from ledgers."""
        return any(table.key == "ledgers" for table in self.tables)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in order."""
        return tuple(block for section in self.sections for block in section.blocks if isinstance(block, Table))
