"""What a network sees, how strongly it responds, and how maps are scored; counts are tested with the networks."""

import pytest
import torch
from torch import Tensor, nn

import resattn
from resattn.analysis import best_iou, energy_inside, mean_response, pointing_game, receptive_field


def box_of(field: Tensor) -> list[int]:
    """First and last row, first and last column in which the field is not zero."""
    rows, columns = field.nonzero().T
    return [int(v) for v in (rows.min(), rows.max(), columns.min(), columns.max())]


def test_receptive_field_of_a_chain_of_convolutions() -> None:
    # 3×3, 3×3 with stride 2, 3×3: 1 + 2·1 + 2·1 + 2·2 = 9 pixels; output position 4 of 8 is centred on pixel 8.
    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Conv2d(4, 5, 3, padding=1)
    )
    field = receptive_field(chain, torch.randn(2, 3, 16, 16))
    assert field.shape == (16, 16)
    assert box_of(field) == [4, 12, 4, 12]
    assert field.max() == 1 and field.min() == 0


def test_receptive_field_of_a_non_square_input() -> None:
    field = receptive_field(nn.Conv2d(1, 1, (1, 5), padding=(0, 2)), torch.randn(1, 1, 6, 9))
    assert box_of(field) == [3, 3, 2, 6]


def test_receptive_field_survives_a_symmetric_output() -> None:
    """f2 has unit length over the channels: the gradient of a sum of squares would be zero everywhere."""
    field = receptive_field(lambda x: x / x.norm(dim=1, keepdim=True), torch.randn(2, 4, 5, 5))
    assert box_of(field) == [2, 2, 2, 2]
    difference = torch.tensor([[1.0], [-1.0]])[:, :, None, None]  # two channels that sum to zero
    assert box_of(receptive_field(lambda x: nn.functional.conv2d(x, difference), torch.randn(64, 1, 3, 3))) == [1] * 4


def test_receptive_field_adds_what_channels_and_images_see() -> None:
    """A pixel counts by the size of its gradients: those of two channels, or of two images, must not cancel."""
    opposite = torch.tensor([[1.0, -1.0]])[:, :, None, None]  # one channel less the other
    field = receptive_field(lambda x: nn.functional.conv2d(x, opposite), torch.randn(1, 2, 3, 3))
    assert box_of(field) == [1] * 4
    swing = torch.tensor([1.0, -1.0])[:, None, None, None]
    assert box_of(receptive_field(lambda x: x * swing, torch.randn(2, 1, 3, 3))) == [1] * 4


def test_receptive_field_leaves_no_gradient_behind() -> None:
    conv, x = nn.Conv2d(1, 1, 3), torch.randn(1, 1, 5, 5)
    with torch.no_grad():
        receptive_field(conv, x)
    assert conv.weight.grad is None and x.grad is None and not x.requires_grad


def test_mean_response_is_the_mean_of_each_stages_output() -> None:
    model = resattn.create("attention92", width=0.25).eval()
    x = torch.randn(3, 3, 16, 16)
    responses = mean_response(model, x)
    with torch.no_grad():
        features = model.stem(x)
        for stage in ("stage1", "stage2", "stage3"):
            features = getattr(model, stage)(features)
            assert responses[stage] == pytest.approx(features.abs().mean().item(), rel=1e-5)
    assert list(responses) == ["stage1", "stage2", "stage3"]


def test_mean_response_of_a_network_without_modules() -> None:
    assert len(mean_response(resattn.create("preact_resnet164", width=0.25), torch.randn(2, 3, 16, 16))) == 3


TRUTH = torch.zeros(3, 4, 4, dtype=torch.bool)
TRUTH[:, 1:3, 1:3] = True  # 4 of 16 pixels


def test_scores_of_the_truth_itself_and_of_its_opposite() -> None:
    for score in (pointing_game, energy_inside, best_iou):
        assert score(TRUTH.float(), TRUTH).tolist() == [1, 1, 1]
    opposite = (~TRUTH).float()
    assert pointing_game(opposite, TRUTH).tolist() == [False] * 3
    assert energy_inside(opposite, TRUTH).tolist() == [0, 0, 0]
    assert best_iou(opposite, TRUTH).tolist() == [0.25] * 3  # everything above the lower threshold


def test_a_constant_map_scores_what_the_object_covers() -> None:
    for constant in (torch.ones(3, 4, 4), torch.zeros(3, 4, 4)):
        assert pointing_game(constant, TRUTH).tolist() == [False] * 3
        assert energy_inside(constant, TRUTH).tolist() == [0.25] * 3
        assert best_iou(constant, TRUTH).tolist() == [0.25] * 3


def test_scores_look_at_each_image_alone() -> None:
    maps = torch.stack([TRUTH[0].float(), (~TRUTH[0]).float(), torch.ones(4, 4)])
    assert pointing_game(maps, TRUTH).tolist() == [True, False, False]
    assert energy_inside(maps, TRUTH).tolist() == [1, 0, 0.25]
    assert best_iou(maps, TRUTH).tolist() == [1, 0.25, 0.25]


def test_pointing_game_with_two_maxima() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 1, 1] = maps[0, 0, 0] = 1
    assert pointing_game(maps, TRUTH[:1]).tolist() == [False]  # one of two is no majority
    maps[0, 2, 2] = 1
    assert pointing_game(maps, TRUTH[:1]).tolist() == [True]


def test_best_iou_tries_every_threshold() -> None:
    maps = torch.rand(20, 6, 5)
    truth = torch.rand(20, 6, 5) > 0.6
    maps[10:] = (maps[10:] * 4).round()  # many ties
    for one, mask, score in zip(maps, truth, best_iou(maps, truth), strict=True):
        regions = [one >= threshold for threshold in one.unique()]
        expected = max((region & mask).sum() / (region | mask).sum() for region in regions)
        assert score == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("score", [pointing_game, energy_inside, best_iou])
def test_scores_refuse(score) -> None:
    maps = TRUTH.float()
    with pytest.raises(ValueError, match=r"one shape \[N, H, W\]"):
        score(maps[0], TRUTH[0])
    with pytest.raises(ValueError, match="one shape"):
        score(maps, TRUTH[:2])
    with pytest.raises(ValueError, match="truth must be bool"):
        score(maps, maps)
    with pytest.raises(ValueError, match="not finite"):
        score(maps / 0, TRUTH)
    with pytest.raises(ValueError, match="without an object"):
        score(maps, TRUTH & torch.tensor([True, True, False])[:, None, None])


def test_energy_refuses_negative_values() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        energy_inside(TRUTH.float() - 0.5, TRUTH)


def test_receptive_field_refuses() -> None:
    with pytest.raises(ValueError, match=r"x must be a tensor \[B, C, H, W\]"):
        receptive_field(nn.Identity(), torch.randn(3, 4, 4))
    with pytest.raises(ValueError, match="must return a tensor"):
        receptive_field(lambda x: x.mean(dim=1), torch.randn(1, 3, 4, 4))
    with pytest.raises(ValueError, match="does not depend on x"):
        receptive_field(lambda x: (0 * x).detach().requires_grad_(), torch.randn(1, 3, 4, 4))
    with pytest.raises(ValueError, match="does not depend on x"):
        receptive_field(lambda x: 0 * x, torch.randn(1, 3, 4, 4))
