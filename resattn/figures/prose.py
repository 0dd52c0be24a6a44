"""Numbers of a cell in the sentences of a chapter."""

from IPython.display import display


def glue(name: str, text: str) -> None:
    """Keep ``text`` under ``name``, for a sentence of the same chapter to show with the role ``glue:text``.

    The text is what the reader sees, unit included, so that the page and the notebook for Colab agree. Nothing is shown
    where the cell stands. It is what ``myst_nb.glue`` does, without asking for more than a notebook has::

        glue("arl-accuracy", f"{accuracy.mean():.1%}")

    Raises:
        ValueError: if ``text`` is not a text: how many digits a number deserves is for the chapter to say.
    """
    if not isinstance(text, str):
        raise ValueError(f"glue the text that a reader sees, as in glue({name!r}, f'{{x:.1f}} %'); got {text!r}")
    data = {"application/papermill.record/text/plain": repr(text)}
    display(data, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}})
