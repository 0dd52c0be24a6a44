"""Numbers of a cell in the sentences of a chapter."""

import re

from IPython.display import display

ZERO = re.compile(r"(?<!\w)[-−+](?=0(?:\.0+)?(?![.,]?\d))")  # what has been rounded to zero has no sign
MINUS = re.compile(r"(?<![^\s(\[±（，：])-(?=\.?\d)")  # full-width ones as well
PER_CENT = re.compile(r"(?<=\d)%(?!\w)")


def typeset(text: str) -> str:
    """Numbers as a page prints them: with a minus sign, a space before "%", and no sign before zero.

    >>> typeset("-0.5 to -0.0 (12%), 1e-4")
    '−0.5 to 0.0 (12 %), 1e-4'
    """
    return PER_CENT.sub(" %", MINUS.sub("−", ZERO.sub("", text)))


def glue(name: str, text: str) -> None:
    """Keep ``text`` under ``name``, for a sentence of the same chapter to show with the role ``glue:text``.

    The text is what the reader sees, unit included, so that the page and the notebook for Colab agree; its numbers are
    :func:`typeset`. Nothing is shown where the cell stands. It is what ``myst_nb.glue`` does, without asking for more
    than a notebook has::

        glue("arl-accuracy", f"{accuracy.mean():.1%}")

    Raises:
        ValueError: if ``text`` is not a text: how many digits a number deserves is for the chapter to say.
    """
    if not isinstance(text, str):
        raise ValueError(f"glue the text that a reader sees, as in glue({name!r}, f'{{x:.1f}} %'); got {text!r}")
    data = {"application/papermill.record/text/plain": repr(typeset(text))}
    display(data, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}})
