"""Write the committed releases of the course assignments anew: python -m tools.releases"""

from pathlib import Path

from grading import notebooks
from grading.assignments import NAMES, load
from resattn.zoo.checkpoints import write_aside


def main() -> None:
    for name in NAMES:
        assignment = load(name)
        for variant in assignment.variants:
            text = notebooks.written_out(notebooks.release(assignment, variant))
            path = notebooks.RELEASES / f"{notebooks.file_stem(assignment, variant)}.ipynb"
            write_aside(path, lambda partial, text=text: Path(partial).write_text(text, encoding="utf-8"))  # type: ignore[misc]


if __name__ == "__main__":
    main()
