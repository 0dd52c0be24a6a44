"""What a map follows: correlation with a truth, activity whatever the sign, and shares of known maps."""

import math

import pytest
import torch

from resattn.analysis import activity, correlation, plain_maps, shares
from resattn.data import scenes


def test_correlation_is_pearsons():
    a, b = torch.rand(2, 5, 6, 7, generator=torch.manual_seed(0))
    expected = [torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1] for x, y in zip(a, b, strict=True)]
    assert torch.allclose(correlation(a, b), torch.stack(expected), atol=1e-5)
    assert torch.allclose(correlation(0.05 * a + 0.45, a), torch.ones(5), atol=1e-4)
    assert correlation(torch.full((2, 4, 4), 0.5), b[:2, :4, :4]).tolist() == [0, 0], "a flat map follows nothing"


def test_a_coarse_map_is_compared_at_its_own_resolution():
    truth = torch.rand(3, 8, 8, generator=torch.manual_seed(0)) > 0.7
    shrunk = torch.nn.functional.avg_pool2d(truth[:, None].float(), 2)[:, 0]  # [3, 4, 4]
    assert torch.allclose(correlation(shrunk, truth), torch.ones(3), atol=1e-4)
    with pytest.raises(ValueError, match=r"must be \[N, h, w\]"):
        correlation(shrunk, truth[:2])


def test_activity_does_not_see_signs():
    M = torch.rand(4, 6, 5, 5, generator=torch.manual_seed(0))
    turned = torch.cat([1 - M[:, :3], M[:, 3:]], dim=1)
    assert torch.allclose(activity(turned), activity(M), atol=1e-6)
    assert torch.allclose(activity(M)[1, 2, 3], (M[1, :, 2, 3] - M[1].mean((1, 2))).norm() / math.sqrt(6))
    flat = torch.rand(4, 6, 1, 1).expand(4, 6, 5, 5)
    assert activity(flat).max() < 1e-6


def test_shares_tell_an_object_from_its_edges():
    pictures = scenes("test", 50)
    known = {"object": pictures.object_masks, "sky": pictures.sky_masks} | plain_maps(pictures.images)
    mixed = 0.02 * known["edges"] / known["edges"].std() + 0.5
    found = dict(zip(known, shares(mixed, list(known.values())).mean(0).tolist(), strict=True))
    assert found["edges"] > 0.9 and abs(found["object"]) < 0.02
    found = dict(zip(known, shares(pictures.object_masks.float(), list(known.values())).mean(0).tolist(), strict=True))
    assert found["object"] > 0.9 and abs(found["edges"]) < 0.02


def test_plain_maps_see_what_they_say():
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    image[:, 2, :, 4:] = 255  # the right half is blue
    maps = plain_maps(image)
    assert maps["blueness"][0, 0].tolist() == [0] * 4 + [1] * 4
    assert maps["edges"][0, 4].argmax() in (2, 3, 4) and maps["edges"][0, 4, 7] == 0
    assert maps["height"][0, 0, 0] == 1 and maps["height"][0, 7, 0] == 0
