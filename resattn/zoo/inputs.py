"""What a trained network is to be shown, and what its outputs are called: the one place that reads it from a record."""

from dataclasses import dataclass

from torch import Tensor

from ..data.batches import Normalise
from ..networks import ResidualAttentionNetwork


@dataclass(frozen=True, eq=False)
class Inputs:
    """The size of the pictures that a network was trained on, the names of its classes, and its normalisation.

    ``size`` is in pixels a side. Called with images, uint8 [B, 3, H, W], it gives what the network takes, float32 of
    the same shape on the network's device.
    """

    size: int
    classes: tuple[str, ...]
    normalise: Normalise

    def __call__(self, images: Tensor) -> Tensor:
        return self.normalise(images.to(self.normalise.scale.device))  # [B, 3, H, W]


def inputs_of(model: ResidualAttentionNetwork) -> Inputs:
    """What a network's record says of its inputs.

    Raises ValueError if it has no record, as before its training, or if the record names other classes than it has
    outputs for.

    >>> from resattn.zoo import load_pretrained
    >>> inputs = inputs_of(load_pretrained("attention56_scenes"))
    >>> inputs.size, inputs.classes[:2]
    (32, ('balloon', 'aeroplane'))
    """
    record = getattr(model, "record", None)
    if record is None:
        raise ValueError(f"this {model.config.name} has no record of a training that names its classes: train it first")
    classes, outputs = record["data"]["classes"], model.classifier.out_features
    if len(classes) > outputs:
        raise ValueError(f"the network's record names {len(classes)} classes, and the network has {outputs} outputs")
    # A network that was trained on fewer classes than it has outputs has never been told to use the others.
    names = (*classes, *(f"output {k}" for k in range(len(classes), outputs)))
    device = next(model.parameters()).device
    return Inputs(image_size(record), names, Normalise(record["mean"], record["std"], device))


def image_size(record: dict) -> int:
    """Pixels a side of the pictures that the network of a record was trained on; the shorter side if they differ."""
    # Records that do not say are of Scenes and CIFAR, or of crops for the ImageNet layout.
    size = record["data"].get("size") or (224 if record["config"]["stem"] == "conv7_pool" else 32)
    return min(size) if isinstance(size, list) else int(size)
