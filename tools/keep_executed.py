"""What nbval has executed and found as stored, the book shows: a plugin of pytest for ``make check-notebooks``.

    python -m pytest -p tools.keep_executed --nbval … notebooks

The chapters take most of the time of a test run, and would be executed a second time for the pages. A notebook whose
every cell has passed is put into the cache from which `tools.build_book` takes it. One with a widget is not: its state
is no output of a cell, and nbval does not fetch it.
"""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from jupyter_cache import get_cache
from jupyter_cache.executors.utils import create_cache_bundle
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell

from tools.build_book import Book, kernel_settings

FIGURE = "image/svg+xml"  # as the book's kernels draw them; nbval leaves image/png out by itself
WIDGET = "application/vnd.jupyter.widget-view+json"
STARTED = pytest.StashKey[float]()
PASSED = pytest.StashKey[list[list[NotebookNode]]]()  # the outputs of each cell, in their order


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--nbval", default=False):
        return
    book, settings = Book(config.rootpath), ExitStack()
    if not hasattr(config, "workerinput"):  # before there are workers that write to it
        book.empty_stale_cache()
        get_cache(str(book.executed)).list_cache_records()
        settings.enter_context(kernel_settings(book.settings))  # workers inherit it
        config.add_cleanup(settings.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    if not isinstance(item, IPyNbCell):
        return (yield)
    chapter = item.parent
    if STARTED not in chapter.stash:
        chapter.stash[STARTED], chapter.stash[PASSED] = time.perf_counter(), []
        chapter.skip_compare = (*chapter.skip_compare, FIGURE)
    result = yield  # a cell that fails leaves here
    passed = chapter.stash[PASSED]
    passed.append(item.test_outputs)
    if len(passed) == sum(cell.cell_type == "code" for cell in chapter.nb.cells):
        keep(Book(item.config.rootpath), chapter.path, passed, time.perf_counter() - chapter.stash[STARTED])
    return result


def keep(book: Book, chapter: Path, outputs: list[list[NotebookNode]], seconds: float) -> None:
    """Put a chapter whose every cell has passed, with the outputs of its cells, into the cache of the book."""
    if any(WIDGET in output.get("data", {}) for found in outputs for output in found):
        return
    cache = get_cache(str(book.executed))
    project = cache.get_project_notebook(cache.add_nb_to_project(str(chapter)).pk)
    code = (cell for cell in project.nb.cells if cell.cell_type == "code")
    for count, (cell, found) in enumerate(zip(code, outputs, strict=True), start=1):
        cell.execution_count, cell.outputs = count, found
    cache.cache_notebook_bundle(create_cache_bundle(project, None, None, seconds, None), False, overwrite=True)
