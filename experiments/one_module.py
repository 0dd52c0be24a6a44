"""Which module can do the work alone, and are three small masks better than a large one? (chapter 10)

Written down before the run:

*Arms.* The networks and the training of `experiments.cued`, with other modules. "first": one module, in stage 1;
"second": one module, in stage 2; each with attention residual learning (ARL) and with naive attention (NAL). For
stacking, ARL: "three" small modules in stage 1, none in stage 2; "large": one module there with as many parameters, p =
3, t = 5, r = 4. The networks with both modules are those of `experiments.cued`, with the same seeds and pictures.
*Seeds.* Five (eight were planned; cut before the first run to what the hours allow); a seed is new first weights, a new
order, and its own draw of 8,010 training pictures. *Test.* 1,980 pictures. 16 epochs, last epoch.

*What decides.* Final accuracy, paired over seeds, Student, Holm over five: first less both and second less both, for
ARL and for NAL, and three less large. A single module "does as well" if the interval lies inside ± 2 points. Three
masks are said to be better than a large one if that difference is resolved after Holm.

*Exploratory*: the epoch of finding the cue; whether the one mask carries the choice, by the rule of `experiments.cued`;
among three, which one does.

Expected cost: 30 runs of about five minutes on one core.
"""

from itertools import product
from pathlib import Path
from typing import Any

from resattn import data

from . import cued

LARGE = {"p": 3, "t": 5, "r": 4}
NETWORKS: dict[str, dict[str, Any]] = {
    **{
        f"{place}-{fusion}": cued.NETWORKS[fusion] | {"modules": modules}
        for (place, modules), fusion in product({"first": (1, 0), "second": (0, 1)}.items(), ("arl", "nal"))
    },
    "three": cued.NETWORKS["arl"] | {"modules": (3, 0)},
    "large": cued.NETWORKS["arl"] | {"modules": (1, 0)} | LARGE,
}


RUNS = [cued.CuedRun(network, seed) for seed, network in product(range(5), NETWORKS)]


def train(run: cued.CuedRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run, with the answers, swaps and shifts of `experiments.cued`."""
    pictures = data.cued_scenes("train", cued.TRAIN, seed=run.seed)
    return cued.swapped(NETWORKS[run.network], run, pictures, folder, device)
