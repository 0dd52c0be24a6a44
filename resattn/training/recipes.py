"""Training recipes: the settings of a run as data, and the learning rate as a function of the step (chapter 8)."""

import math
from dataclasses import dataclass

SCHEDULES = ("step", "cosine")


@dataclass(frozen=True)
class Recipe:
    """How to train. Exactly one of ``epochs`` and ``steps`` is set. Raises ValueError on a setting that makes no sense.

    ``schedule`` "step" multiplies the learning rate by 0.1 at each of ``milestones``; "cosine" brings it to zero
    along a half cosine. Either is preceded by a linear warm-up. ``milestones`` and ``warmup`` are fractions of the
    whole run.
    """

    name: str
    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 128
    lr: float = 0.1
    schedule: str = "cosine"
    milestones: tuple[float, ...] = ()
    warmup: float = 0.0
    momentum: float = 0.9  # Nesterov's
    weight_decay: float = 1e-4
    decay_norm: bool = True  # weight decay on biases and batch normalisation too, as in Caffe if nothing is said
    label_smoothing: float = 0.0
    mixup: float = 0.0  # alpha of the Beta distribution; 0 is off
    cutout: int = 0  # side of the square, in pixels; 0 is off
    pad: int = 4  # random crop after padding by this many pixels; 0 is off
    flip: bool = True
    evaluate_every: int = 1  # epochs; the last epoch is always evaluated

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a recipe sets exactly one of epochs and steps")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}; got {self.schedule!r}")
        for key in ("epochs", "steps", "batch_size", "evaluate_every"):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{key} must be a whole number of at least 1; got {value!r}")
        for key in ("lr", "momentum", "weight_decay", "label_smoothing", "mixup", "cutout", "pad", "warmup"):
            value = getattr(self, key)
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{key} must be a finite number of at least 0; got {value!r}")
        if self.warmup >= 1 or self.label_smoothing >= 1 or any(not 0 < m < 1 for m in self.milestones):
            raise ValueError("warmup, label_smoothing and milestones are fractions below 1")

    def total_steps(self, steps_per_epoch: int) -> int:
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * steps_per_epoch

    def lr_at(self, step: int, total: int) -> float:
        """The learning rate of step ``step`` (from 0) of ``total``.

        >>> [round(RECIPES["paper"].lr_at(step, 160_000), 4) for step in (0, 63_999, 64_000, 96_000)]
        [0.1, 0.1, 0.01, 0.001]
        """
        warmup_steps = round(self.warmup * total)
        if step < warmup_steps:
            return self.lr * (step + 1) / warmup_steps
        if self.schedule == "step":
            return self.lr * 0.1 ** sum(step >= round(m * total) for m in self.milestones)
        progress = (step - warmup_steps) / max(1, total - warmup_steps)
        return self.lr * 0.5 * (1 + math.cos(math.pi * progress))


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        # Minutes on a CPU. So short a run never sees an image often enough to need more than flips.
        Recipe("quick", epochs=3, batch_size=64, lr=0.25, warmup=0.25, weight_decay=5e-4, pad=0),
        # Section 4.1 of the paper: 160k iterations of 64 images, the rate divided by ten at 64k and 96k.
        Recipe("paper", steps=160_000, batch_size=64, lr=0.1, schedule="step", milestones=(0.4, 0.6)),
        # What has become usual since: cosine with warm-up, smoothed labels, mixup and cutout, a larger batch.
        Recipe(
            "strong",
            epochs=200,
            batch_size=256,
            lr=0.2,
            warmup=0.025,
            weight_decay=5e-4,
            decay_norm=False,
            label_smoothing=0.1,
            mixup=0.2,
            cutout=8,
            evaluate_every=5,
        ),
        # From trained weights to a few hundred pictures of other classes: a small rate, so that what is known stays.
        Recipe("finetune", epochs=10, batch_size=16, lr=0.03, warmup=0.1, weight_decay=5e-4, pad=2),
    )
}
