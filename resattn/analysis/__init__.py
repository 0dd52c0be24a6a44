"""What the network has learned, and what it costs.

What a network says of a picture file; counts and receptive fields; equation 2 and the wiring it rests on; scores of
maps against true masks, and what a map follows; saliency to compare with; and interventions, which change a mask and
see what the network then says.
"""

from .baselines import TREATMENTS, Treatment, best_treatment, contrast, treated, usual_place
from .following import correlation, plain_maps, shares
from .gradients import Signals, gain, mask_depends_on_trunk, module_signals, per_location, share_on_second
from .interventions import (
    ConstantMask,
    GivenMask,
    Parts,
    SpatialMeanMask,
    answer_from,
    block_outputs,
    forced,
    module_parts,
    swap_features,
    swap_masks,
)
from .looking import Look, look
from .measures import count_multiply_adds, count_parameters, mean_response, receptive_field
from .saliency import activity, grad_cam, input_gradient
from .scores import best_iou, energy_inside, pointing_game

__all__ = [
    "TREATMENTS",
    "ConstantMask",
    "GivenMask",
    "Look",
    "Parts",
    "Signals",
    "SpatialMeanMask",
    "Treatment",
    "activity",
    "answer_from",
    "best_iou",
    "best_treatment",
    "block_outputs",
    "contrast",
    "correlation",
    "count_multiply_adds",
    "count_parameters",
    "energy_inside",
    "forced",
    "gain",
    "grad_cam",
    "input_gradient",
    "look",
    "mask_depends_on_trunk",
    "mean_response",
    "module_parts",
    "module_signals",
    "per_location",
    "plain_maps",
    "pointing_game",
    "receptive_field",
    "share_on_second",
    "shares",
    "swap_features",
    "swap_masks",
    "treated",
    "usual_place",
]
