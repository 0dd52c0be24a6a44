"""How the claim about saliency in activations is judged (chapter 1): on a network that comes with the package, against
maps that no network made.
"""

import torch

from .. import data, zoo
from .baselines import best_treatment, contrast, treated, usual_place
from .judges import Judgement, Records
from .saliency import activity
from .scores import best_iou, energy_inside, pointing_game
from .statistics import holm, one_sample

SCORES = {"pointing": pointing_game, "energy": energy_inside, "iou": best_iou}


def _truth(scenes: data.ImageSet) -> torch.Tensor:
    assert scenes.object_masks is not None  # Scenes have them
    return scenes.object_masks


def saliency_in_activations(_: Records) -> Judgement:
    """The last feature map of a trunk without masks, on 600 Scenes, against maps that no network made; all get the
    treatment that suits them best on 300 training pictures. "holds" if the map is ahead in all three scores (Holm)."""
    model = zoo.load_pretrained("attention56_scenes_trunk")
    normalise = data.Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))
    usual = usual_place(_truth(data.scenes("train", 4000)))
    others, test = data.scenes("train", 300), data.scenes("test", 600)
    maps = {
        "activity": [activity(model, normalise(scenes.images)) for scenes in (others, test)],
        "contrast": [contrast(scenes.images) for scenes in (others, test)],
        "usual": [usual.expand(len(scenes), 32, 32) for scenes in (others, test)],
    }
    found = {}
    for name, score in SCORES.items():
        values = {}
        for key, (first, second) in maps.items():
            best = best_treatment(score, first, _truth(others), usual)
            values[key] = 100 * score(treated(second, best, usual), _truth(test)).float()
        rival = max(values["contrast"], values["usual"], key=lambda shares: float(shares.mean()))
        found[name] = one_sample((values["activity"] - rival).tolist())
    stands = holm(found)
    ahead = sum(stands[name] and found[name].mean > 0 for name in found)
    word = "holds" if ahead == len(found) else "holds in part" if ahead else "did not show"
    return word, {name: str(difference) for name, difference in found.items()}
