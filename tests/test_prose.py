"""What a cell glues is kept, stored, and shown by the page; see also tests/test_colab.py."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from resattn.figures import Table, glue
from resattn.figures.prose import typeset
from tools import colab, notebooks


def test_glued_text_is_stored_and_nothing_else_is_shown(tmp_path) -> None:
    nb = new_notebook(cells=[new_code_cell("from resattn.figures import glue\nglue('share', f'{0.372:.1%} it\\'s')")])
    notebooks.execute(nb, tmp_path)
    stored = notebooks.normalise(nb)
    (output,) = stored.cells[0].outputs
    assert list(output.data) == [colab.GLUED]
    assert colab.glued(stored) == {"share": "37.2 % it's"}
    assert notebooks.normalise(stored) == stored


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="glue the text that a reader sees"):
        glue("share", 0.372)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-0.04", "−0.04"),
        ("(-0.5 ± 0.2)", "(−0.5 ± 0.2)"),
        ("-0.0 ± 0.3", "0.0 ± 0.3"),
        ("+0 to −0.000", "0 to 0.000"),
        ("+0.1, -10", "+0.1, −10"),
        ("93.5%", "93.5 %"),
        ("1e-4, conv3-64, 2026-11-29, --epochs 3, a-b", "1e-4, conv3-64, 2026-11-29, --epochs 3, a-b"),
        ("-.5", "−.5"),
        ("（-0.1 到 +0.2）", "（−0.1 到 +0.2）"),
        ("It is -0. Or [-0.0].", "It is 0. Or [0.0]."),
        ("-0,5", "−0,5"),
        ("dim=-1, x[:-1], 10^{-3}, 3%20b, 5%d", "dim=-1, x[:-1], 10^{-3}, 3%20b, 5%d"),
    ],
)
def test_numbers_are_typeset(text: str, printed: str) -> None:
    assert typeset(text) == printed == typeset(printed)
    assert Table({"a": [text]}).columns["a"] == [printed]
