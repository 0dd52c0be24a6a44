"""What is kept of a training: checkpoints on the way, weights with their records at the end.

The weights that come with the package are loaded by name, a run's by its folder; either way the record says how they
came about. Experiments of many runs keep records only.
"""

from . import checkpoints, grids, pretrained
from .checkpoints import CheckpointError
from .grids import list_records, load_records
from .inputs import Inputs, image_size, inputs_of
from .pretrained import list_pretrained, load, load_pretrained, save
from .provenance import commit, hardware, make_record, origin

__all__ = [
    "CheckpointError",
    "Inputs",
    "checkpoints",
    "commit",
    "grids",
    "hardware",
    "image_size",
    "inputs_of",
    "list_pretrained",
    "list_records",
    "load",
    "load_pretrained",
    "load_records",
    "make_record",
    "origin",
    "pretrained",
    "save",
]
