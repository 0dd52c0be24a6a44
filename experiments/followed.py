"""What do masks follow where they have no work to do, and would a trunk follow it too? (chapter 10)

Written down before the run. Earlier looks at some of these networks suggested the statements; the thresholds, the
networks and the verdict's rule are fixed here.

*Arms.* Attention-56 at half width, trained on Scenes: attention residual learning (ARL), three seeds; naive attention
(NAL); the trunk alone, which has no mask. Controls: ten untrained networks, random weights with the statistics of batch
normalisation from 500 pictures. And ARL trained on CIFAR-10, where no truth is known. *Seeds.* All that the package
holds; every verdict uses every one of them. *Test.* 400 test pictures that no network has seen (200 of CIFAR-10).

*What decides.* (1) Order, the paper's Fig. 1 without its choice of channel: the activity of the masks, fitted by the
object, the sky and five plain maps, has from module to module a larger coefficient of the object and a smaller one of
edges. It is said to be about masks only if the activity of the trunk beside them and of the network without masks do
not show the same. (2) Sky below, object above, for the mean over channels: the first mask lower on the sky (r < −0.1),
the last higher on the object (r > 0.1), in every network. (3) The same for a channel chosen on one half of the
pictures and judged on the other, and it must be the first module that dims the sky most and the last that is highest
on the object. (4) Gain control: the last mean mask runs against the mean size of the trunk's features, r < −0.5 in
every network, and is lower on the object for positive and for negative features alike.

*Added after these runs had been read*: seeds 1 and 2 of NAL and of the trunk alone, of which there was one each. One
network without masks is a thin control for (1). The statements and thresholds are as they were.

*Exploratory* is the rest: Grad-CAM, what passes, masks averaged over places.

Expected cost: 20 runs of about half a minute on one core, no training.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resattn import data, zoo
from resattn.analysis import Parts, forced, grad_cam, module_parts
from resattn.analysis.following import activity, correlation, plain_maps, shares
from resattn.data import ImageSet
from resattn.networks import ResidualAttentionNetwork
from resattn.zoo.inputs import inputs_of
from resattn.zoo.provenance import commit, origin

UNTRAINED, PICTURES, PHOTOGRAPHS, BATCH = 10, 400, 200, 50
TRAINED = {
    "attention56_scenes": "arl",
    "attention56_scenes_seed1": "arl",
    "attention56_scenes_seed2": "arl",
    "attention56_scenes_nal": "nal",
    "attention56_scenes_nal_seed1": "nal",
    "attention56_scenes_nal_seed2": "nal",
    "attention56_scenes_trunk": "trunk",
    "attention56_scenes_trunk_seed1": "trunk",
    "attention56_scenes_trunk_seed2": "trunk",
}
PHOTO_MODEL = "attention56_cifar10"


@dataclass(frozen=True)
class Followed:
    """A network: what it is called, and its kind ("untrained" for a control)."""

    key: str
    network: str
    seed: int = 0


RUNS = [
    *(Followed(name, kind, int(name[-1]) if "seed" in name else 0) for name, kind in TRAINED.items()),
    *(Followed(f"untrained-{seed}", "untrained", seed) for seed in range(UNTRAINED)),
    Followed(PHOTO_MODEL, "arl"),
]


def train(run: Followed, folder: Path, device: str) -> dict[str, Any]:
    """The record of one network. Nothing is trained, and ``folder`` stays empty."""
    started, state = time.monotonic(), commit()
    model = untrained(run.seed) if run.network == "untrained" else zoo.load_pretrained(run.key)
    if run.key == PHOTO_MODEL:
        pictures = data.cifar10("test").subset(slice(PHOTOGRAPHS))
    else:
        pictures = data.scenes("test", PICTURES)
    found = measure(model, pictures, saliency=run.network != "untrained")
    return {
        "network": run.network,
        "seed": run.seed,
        "pictures": f"{pictures.name}, {len(pictures)}",
        **found,
        "seconds": round(time.monotonic() - started, 1),
        **origin(torch.device("cpu"), state),
    }


def untrained(seed: int) -> ResidualAttentionNetwork:
    """Random weights; only batch normalisation has seen pictures, ten batches of 50."""
    like = zoo.load_pretrained("attention56_scenes")
    torch.manual_seed(seed)
    model = ResidualAttentionNetwork(like.config)
    model.record = like.record  # type: ignore[assignment]  # for the mean and deviation of the colours
    inputs = inputs_of(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over batches
    with torch.no_grad():
        for part in data.scenes("train", 500).images.split(50):
            model(inputs(part))  # in training mode
    return model.eval()


def measure(model: ResidualAttentionNetwork, pictures: ImageSet, saliency: bool) -> dict[str, Any]:
    """What each module's mask and trunk follow; with ``saliency``, of a trained network, also accuracy, Grad-CAM, and
    the accuracy without the places of its masks."""
    x = inputs_of(model)(pictures.images)  # [N, 3, S, S]
    parts = [module_parts(model, part) for part in x.split(BATCH)]
    record: dict[str, Any] = {}
    cam = None
    if saliency:
        answers = predicted(model, x)  # [N]
        cam = torch.cat([grad_cam(model, *pair) for pair in zip(x.split(BATCH), answers.split(BATCH), strict=True)])
        record["accuracy"] = share(answers == pictures.labels)
    modules = {}
    for name in parts[0]:
        T, H = (
            torch.cat(maps) for maps in ([part[name].T for part in parts], [part[name].H for part in parts])
        )  # [N, C, h, w] each
        masks = [mask for part in parts if (mask := part[name].M) is not None]
        M = torch.cat(masks) if masks else None
        modules[name] = followed(Parts(T, M, H), pictures, cam)
    if saliency and M is not None:
        flat = forced(model, dict.fromkeys(modules, "mean"))
        record["mean_over_places"] = share(predicted(flat, x) == pictures.labels)
    return record | {"modules": modules}


def followed(module: Parts, pictures: ImageSet, cam: Tensor | None) -> dict[str, Any]:
    """What one module's maps follow; every number is a mean over pictures. Without true pixels, edges and Grad-CAM."""
    plain = plain_maps(pictures.images)
    T, M, H = module
    size = T.abs().mean(1)  # [N, h, w]
    active = {"trunk": activity(T)} | ({} if M is None else {"mask": activity(M)})
    found: dict[str, Any] = {"edges": {key: mean(correlation(S, plain["edges"])) for key, S in active.items()}}
    if cam is not None:
        found["grad_cam"] = {key: mean(correlation(S, cam)) for key, S in active.items()}
    objects, sky = pictures.object_masks, pictures.sky_masks
    if objects is not None and sky is not None:
        known = {"object": objects, "sky": sky} | plain
        fits = {key: shares(S, list(known.values())).mean(0) for key, S in active.items()}  # [K] each
        found["shares"] = {
            key: dict(zip(known, [round(v, 4) for v in fit.tolist()], strict=True)) for key, fit in fits.items()
        }
        found["size_object"] = mean(correlation(size, objects))
        found["passed_object"] = mean(correlation(H.abs().mean(1), objects))
    if M is None:
        return found
    middle = M.mean(1)  # [N, h, w]
    found["gain"] = mean(correlation(middle, size))
    if cam is not None:
        found["mean_grad_cam"] = mean(correlation(middle, cam))
    if objects is not None and sky is not None:
        found["mean"] = {"sky": mean(correlation(middle, sky)), "object": mean(correlation(middle, objects))}
        found["channel"] = chosen(M, {"sky": (sky, -1), "object": (objects, 1)})
        there = (
            torch.nn.functional.adaptive_avg_pool2d(objects[:, None].float(), (M.shape[2], M.shape[3])) > 0.5
        )  # [N, 1, h, w]
        found["on_object"] = {
            "positive": round(M[there.expand_as(M) & (T > 0)].mean().item(), 4),
            "negative": round(M[there.expand_as(M) & (T <= 0)].mean().item(), 4),
            "elsewhere": round(M[~there.expand_as(M)].mean().item(), 4),
        }
    return found


def chosen(M: Tensor, truths: dict[str, tuple[Tensor, int]]) -> dict[str, float]:
    """The r of the channel that follows each truth most (sign 1) or least (−1): chosen on every second picture, judged
    on the others."""
    found = {}
    for name, (truth, sign) in truths.items():
        r = torch.stack([correlation(M[:, c], truth) for c in range(M.shape[1])], 1)  # [N, C]
        best = (sign * r[::2].mean(0)).argmax()
        found[name] = mean(r[1::2, best])
    return found


def predicted(model: ResidualAttentionNetwork, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in x.split(BATCH)])  # [N]


def mean(values: Tensor) -> float:
    return round(values.mean().item(), 4)


def share(right: Tensor) -> float:
    return round(right.float().mean().item(), 5)
