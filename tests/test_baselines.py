"""Maps that no network made, and the treatments that every map gets."""

import torch

from resattn.analysis import (
    TREATMENTS,
    Treatment,
    best_iou,
    best_treatment,
    contrast,
    pointing_game,
    treated,
    usual_place,
)


def test_contrast_is_largest_on_what_differs_from_its_surroundings():
    pictures = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    pictures[0, :, 15:18, 10:13] = 200
    maps = contrast(pictures)
    assert divmod(int(maps[0].argmax()), 32) == (16, 11)
    assert maps[1].abs().max() == 0 and (maps >= 0).all()


def test_contrast_of_one_pixel_by_hand():
    picture = torch.zeros(1, 3, 32, 32)
    picture[0, 0, 16, 16] = 225.0
    at = contrast(picture)[0]
    assert torch.isclose(at[16, 16], torch.tensor(225 / 9 - 225 / 225))  # the means of 3 × 3 and of 15 × 15
    assert torch.isclose(at[16, 20], torch.tensor(1.0)) and at[16, 25] == 0


def test_usual_place_is_where_masks_were():
    masks = torch.zeros(4, 8, 8, dtype=torch.bool)
    masks[:3, 2:5, 2:5] = True
    usual = usual_place(masks)
    assert usual.shape == (8, 8) and usual[3, 3] == 0.75 == usual.max() and usual[7, 7] == 0


def test_treatments_smooth_sharpen_and_know_the_place():
    maps, usual = torch.zeros(1, 9, 9), torch.arange(81.0).view(9, 9)
    maps[0, 4, 4], maps[0, 0, 0] = 8.0, 4.0
    assert torch.equal(treated(maps, Treatment(), usual), maps / 8)
    assert treated(maps, Treatment(power=3), usual)[0, 0, 0] == 1 / 8
    smooth = treated(maps, Treatment(width=3), usual)
    assert torch.allclose(smooth[0, 3:6, 3:6], smooth[0, 4, 4])
    assert smooth[0, 0, 0] > smooth[0, 4, 4], "at the border the mean is over the pixels that are there"
    assert torch.equal(treated(maps, Treatment(place=True), usual), maps / 8 * usual)
    assert treated(torch.zeros(1, 9, 9), Treatment(5, 3, True), usual).isfinite().all()


def test_the_treatment_that_suits_best_is_found():
    torch.manual_seed(0)
    truth = torch.zeros(40, 16, 16, dtype=torch.bool)
    truth[:, 4:11, 4:11] = True
    noise = 2 * torch.rand(40, 16, 16)
    blurred = best_treatment(best_iou, noise + truth, truth, torch.ones(16, 16))
    assert blurred.width > 1, "noise is smoothed away"
    told = best_treatment(pointing_game, noise, truth, truth[0].float())
    assert told.place, "where nothing is seen the usual place helps"
    assert len(TREATMENTS) == len(set(TREATMENTS)) == 30
