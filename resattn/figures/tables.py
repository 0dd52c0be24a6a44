"""Results as a table: HTML in a page, and the same in plain text where there is none."""

import re
from collections.abc import Collection, Mapping, Sequence
from html import escape

from .prose import typeset

NUMBER = re.compile(r"[<>≤≥≈×]?\s*[-+−±]?\d.*|∞|[-–—−]?")  # what stands in a column of numbers, or nothing


class Table:
    """Columns of results, by their headings. The first names the rows; columns of numbers are set to the right.

    A notebook shows it as an HTML table if it is the last line of a cell or is given to ``display``; ``print`` and a
    comparison of stored outputs get the same in plain text. Rows whose numbers are in ``marked`` decide the question:
    they are bold, with an arrow in plain text. Cells are texts or whole numbers; numbers in them are
    :func:`~resattn.figures.prose.typeset`.

    >>> columns = {"fusion": ["none", "ARL"], "accuracy, %": ["70.3", "71.0 ± 0.4"], "parameters": [1_030_000, 990]}
    >>> Table(columns, marked=[1])
      fusion  accuracy, %  parameters
      none           70.3   1,030,000
    → ARL      71.0 ± 0.4         990

    Raises:
        ValueError: if there is no column, if columns differ in length, if a marked row does not exist, or if a cell is
            a fraction: how many digits it deserves is for the chapter to say.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[object]], marked: Collection[int] = (), caption: str = ""
    ) -> None:
        lengths = {heading: len(cells) for heading, cells in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"a table needs columns of one length; got {lengths}")
        self.columns = {heading: [_text(cell, heading) for cell in cells] for heading, cells in columns.items()}
        self.rows = list(zip(*self.columns.values(), strict=True))
        if outside := [number for number in marked if not 0 <= number < len(self.rows)]:
            raise ValueError(f"rows to mark must be from 0 to {len(self.rows) - 1}; got {outside}")
        self.marked, self.caption = frozenset(marked), typeset(caption)
        self.right = [all(map(NUMBER.fullmatch, cells)) for cells in self.columns.values()]

    def __repr__(self) -> str:
        widths = [max(map(len, [heading, *cells])) for heading, cells in self.columns.items()]

        def line(cells: Sequence[str], mark: str) -> str:
            aligned = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(cells, widths, self.right, strict=True)
            ]
            return f"{mark} {'  '.join(aligned)}".rstrip()

        lines = [line(list(self.columns), " ")]
        lines += [line(row, "→" if number in self.marked else " ") for number, row in enumerate(self.rows)]
        return "\n".join([*([self.caption] if self.caption else []), *lines])

    def _repr_html_(self) -> str:
        sides = ["right" if right else "left" for right in self.right]

        def row(cells: Sequence[str], tags: Sequence[str], marked: bool = False) -> str:
            bold = "; font-weight: bold" if marked else "; font-weight: normal" if tags[-1].startswith("td") else ""
            set_ = [
                f'<{tag} style="text-align: {side}{bold}">{escape(cell)}</{tag.split()[0]}>'
                for tag, side, cell in zip(tags, sides, cells, strict=True)
            ]
            return ('<tr class="marked">' if marked else "<tr>") + "".join(set_) + "</tr>"

        columns = len(sides)
        head = row(list(self.columns), ['th scope="col"'] * columns)
        tags = ['th scope="row"', *["td"] * (columns - 1)]
        body = [row(cells, tags, number in self.marked) for number, cells in enumerate(self.rows)]
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return f'<table class="results">{caption}<thead>{head}</thead><tbody>{"".join(body)}</tbody></table>'


def _text(cell: object, heading: str) -> str:
    if isinstance(cell, str):
        return typeset(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    raise ValueError(
        f"cells are texts or whole numbers, so that the chapter chooses the digits; {heading!r} has {cell!r}"
    )
