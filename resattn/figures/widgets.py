"""Explorers for a running notebook: controls of ipywidgets over pure plot functions (chapter 10).

An explorer computes what the network says once for each image and setting, not at every move of a slider, and shows a
PNG, so that no figure stays open. It keeps copies of the networks, in evaluation mode and on their device: the
networks that it was given stay as they are, and training them further does not change what it shows.
"""

import base64
import copy
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..analysis.interventions import forced
from ..data.batches import Normalise, channel_statistics
from ..data.sets import ImageSet
from ..networks import ResidualAttentionNetwork
from ..zoo.inputs import Inputs, inputs_of
from .mask_plots import mask_view, score_bars

KEPT = 64  # results in memory, the latest ones
AS_IT_IS = "as it is"
CHOICES: dict[str, float | str] = {"0": 0.0, "1": 1.0, "mean": "mean"}


class Explorer(ipywidgets.VBox):
    """Controls over a picture: ``draw`` gets the values of all controls, by name, and returns the Figure to show.

    ``adjust``, if given, is called before each drawing and may set the controls, such as the range of one after the
    value of another. One change draws at most one picture, and none if the values stay the same.

    >>> from resattn.figures.mask_plots import score_bars
    >>> def draw(p):
    ...     return score_bars({"a coin": torch.tensor([p, 1 - p])}, ("heads", "tails"), truth=0)
    >>> explorer = Explorer(draw, {"p": ipywidgets.FloatSlider(0.5, min=0, max=1)})
    >>> explorer.controls["p"].value = 0.75
    >>> bytes(explorer.picture.value[1:4])
    b'PNG'
    """

    def __init__(
        self,
        draw: Callable[..., Figure],
        controls: Mapping[str, ipywidgets.Widget],
        adjust: Callable[[], None] | None = None,
    ) -> None:
        self.draw, self.controls, self.adjust = draw, dict(controls), adjust
        self.picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%", object_fit="contain"))
        self.drawn: dict[str, Any] | None = None  # the values in the picture
        self.busy = False
        super().__init__([*self.controls.values(), self.picture])
        for control in self.controls.values():
            control.observe(self.show, "value")
        self.show()

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        """The widget, and its present picture for a page behind which no kernel runs."""
        picture = base64.b64encode(self.picture.value).decode("ascii")
        return {**super()._repr_mimebundle_(**kwargs), "image/png": picture}

    def values(self) -> dict[str, Any]:
        """The present value of each control, by its name."""
        return {name: control.value for name, control in self.controls.items()}

    def figure(self) -> Figure:
        """The present picture as a Figure, which a notebook shows and a page can keep."""
        return self.draw(**self.values())

    def show(self, change: object = None) -> None:
        """Adjust the controls and draw the picture anew if their values have changed since."""
        if self.busy:  # this change is one that ``adjust`` made
            return
        self.busy = True
        try:
            if self.adjust is not None:
                self.adjust()
        finally:
            self.busy = False
        if self.values() != self.drawn:
            self.picture.value = _png(self.figure())
            self.drawn = self.values()


def mask_explorer(models: Mapping[str, ResidualAttentionNetwork], images: ImageSet) -> Explorer:
    """Walk through the masks of some networks: choose image, network, module, channel (−1 is the mean) and blend.

    ``models`` maps what to call a network, such as "ARL", to the network. The pictures are
    :func:`resattn.figures.mask_plots.mask_view`; the box "full contrast" spreads the colours over the values of each
    mask, which differ little where it is the mean of many channels. Images are normalised, and classes named, as
    ``model.record`` says; a network without a record gets the statistics and classes of ``images``. Pictures of your
    own come from :func:`resattn.data.pictures.picture_set`. Chapter 10 looks at masks with it.

    Raises ValueError if there is no network, one has no masks, or one does not take images of this size.
    """
    if not models:
        raise ValueError("there is no network to explore")
    for name, model in models.items():
        if all(module.mask is None for module in model.attention_modules().values()):
            raise ValueError(f"the network {name!r} has no masks to explore")
    images = images.to("cpu")
    kept = {name: copy.deepcopy(model).eval() for name, model in models.items()}
    inputs = {name: _inputs(model, images) for name, model in kept.items()}

    @lru_cache(maxsize=KEPT)
    def look(network: str, image: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Probabilities [K] and masks, each [C, h, w], of one image."""
        with torch.no_grad():
            logits, masks = kept[network](inputs[network](images.images[[image]]), return_masks=True)
        return logits[0].softmax(dim=0).cpu(), {name: mask[0].float().cpu() for name, mask in masks.items()}

    def draw(image: int, network: str, module: str, channel: int, blend: float, contrast: bool) -> Figure:
        probabilities, masks = look(network, image)
        mask = masks[module].mean(dim=0) if channel < 0 else masks[module][channel]  # [h, w]
        limits = (float(mask.min()), float(mask.max())) if contrast and mask.min() < mask.max() else None
        says = f"{network} says {inputs[network].classes[int(probabilities.argmax())]} ({probabilities.max():.0%})"
        return mask_view(
            images.images[image],
            masks[module],
            blend=blend,
            channel=None if channel < 0 else channel,
            limits=limits,
            title=f"{_caption(images, image)}. {says}. {module}",
        )

    controls: dict[str, Any] = {
        "image": _image_slider(images),
        "network": ipywidgets.Dropdown(options=list(models), description="network"),
        "module": ipywidgets.Dropdown(description="module"),
        "channel": ipywidgets.IntSlider(-1, min=-1, max=0, description="channel", continuous_update=False),
        "blend": ipywidgets.FloatSlider(
            0.5, min=0, max=1, step=0.05, description="blend", continuous_update=False, readout_format=".0%"
        ),
        "contrast": ipywidgets.Checkbox(value=False, description="full contrast"),
    }

    def adjust() -> None:
        """Offer the modules of the chosen network and the channels of the chosen module."""
        masks = look(controls["network"].value, controls["image"].value)[1]
        module = controls["module"]
        if module.options != tuple(masks):
            before = module.value
            module.options = tuple(masks)
            module.value = before if before in masks else next(iter(masks))
        controls["channel"].max = len(masks[module.value]) - 1  # the slider pulls a value above it down

    return Explorer(draw, controls, adjust)


def intervention_explorer(model: ResidualAttentionNetwork, images: ImageSet) -> Explorer:
    """Change the mask of each Attention Module, "as it is", "0", "1" or "mean", and see what the network then says.

    The masks are changed by :func:`resattn.analysis.interventions.forced`; the pictures are
    :func:`resattn.figures.mask_plots.score_bars`, with the probabilities under the masks as they are beside those
    under the masks as chosen. Images are normalised as in :func:`mask_explorer`. Chapter 10
    asks with it which masks matter.

    Raises ValueError for a network without masks, or one that does not take images of this size.
    """
    images = images.to("cpu")
    kept = forced(model, {}).eval()
    inputs = _inputs(kept, images)

    @lru_cache(maxsize=KEPT)
    def say(image: int, choices: tuple[tuple[str, str], ...]) -> Tensor:
        """Probabilities [K] of one image with the masks chosen for some modules."""
        network = forced(kept, {module: CHOICES[choice] for module, choice in choices})
        with torch.no_grad():
            logits: Tensor = network(inputs(images.images[[image]]))  # [1, K]
        return logits[0].softmax(dim=0).cpu()

    def draw(image: int, **choices: str) -> Figure:
        chosen = tuple((module, choice) for module, choice in choices.items() if choice != AS_IT_IS)
        label = images.classes[int(images.labels[image])]
        return score_bars(
            {"masks as they are": say(image, ()), "masks as chosen": say(image, chosen)},
            inputs.classes,
            inputs.classes.index(label) if label in inputs.classes else None,  # of own pictures it is not known
            image=images.images[image],
            title=_caption(images, image),
        )

    controls: dict[str, Any] = {"image": _image_slider(images)}
    for name in kept.attention_modules():
        controls[name] = ipywidgets.Dropdown(
            options=[AS_IT_IS, *CHOICES], description=name, style={"description_width": "initial"}
        )
    return Explorer(draw, controls)


def _image_slider(images: ImageSet) -> ipywidgets.IntSlider:
    return ipywidgets.IntSlider(0, min=0, max=len(images) - 1, description="image", continuous_update=False)


def _caption(images: ImageSet, image: int) -> str:
    return f"{images.name}, image {image}: {images.classes[int(images.labels[image])]}"


def _inputs(model: ResidualAttentionNetwork, images: ImageSet) -> Inputs:
    """What the network's record says of size, classes and normalisation; without a record, what the images say."""
    if getattr(model, "record", None) is not None:
        return inputs_of(model)
    device = next(model.parameters()).device
    missing = model.config.num_classes - len(images.classes)
    names = (*images.classes, *(f"output {k + len(images.classes)}" for k in range(missing)))
    return Inputs(images.images.shape[-1], names, Normalise(*channel_statistics(images.images), device))


def _png(figure: Figure) -> bytes:
    """The whole figure as an opaque PNG; closes it."""
    buffer = BytesIO()
    whole = figure.bbox_inches  # a tight box, the book's default, would change size with every title
    try:
        figure.savefig(buffer, format="png", dpi=110, bbox_inches=whole, facecolor="white", transparent=False)
    finally:
        plt.close(figure)
    return buffer.getvalue()
