"""A trained network looks at a picture file: the classes and masks it would give to the same pixels in memory."""

import numpy as np
import pytest
import torch
from PIL import Image

import resattn
from resattn import data, zoo
from resattn.data import Normalise

MODEL = resattn.load_pretrained("attention56_scenes")
SCENES = data.scenes("test", 20, size=64)


@pytest.fixture
def photo(tmp_path):
    """A scene of 64 × 64 pixels in the middle of a wide picture that is grey elsewhere."""
    wide = np.full((64, 100, 3), 128, np.uint8)
    wide[:, 18:82] = SCENES.images[0].permute(1, 2, 0).numpy()
    Image.fromarray(wide).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_says_what_the_network_says_of_the_same_pixels(photo):
    found = resattn.look(MODEL, photo)
    square = Image.open(photo).crop((18, 0, 82, 64)).resize((32, 32), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
    assert torch.equal(found.shown, pixels)
    x = Normalise(MODEL.record["mean"], MODEL.record["std"], torch.device("cpu"))(pixels[None])
    with torch.no_grad():
        logits, masks = MODEL(x, return_masks=True)
    np.testing.assert_allclose(found.probabilities, logits[0].softmax(0).numpy(), rtol=1e-5)
    assert found.classes == data.scenes("test", 1).classes and len(found.top()) == 3
    name, probability = found.top(1)[0]
    assert name == SCENES.classes[SCENES.labels[0]] and probability == found.probabilities.max() > 0.9
    assert list(found.channels) == list(found.masks) == list(masks)
    for module, mask in masks.items():
        np.testing.assert_allclose(found.channels[module], mask[0].numpy(), rtol=1e-5)


def test_masks_lie_where_the_network_was_shown_the_picture(photo):
    found = resattn.look(MODEL, photo)
    for module, mask in found.masks.items():
        assert mask.shape == (64, 100) and mask.dtype == np.float32
        assert np.isnan(mask[:, :18]).all() and np.isnan(mask[:, 82:]).all()
        inside, small = mask[:, 18:82], found.channels[module].mean(axis=0)
        assert np.isfinite(inside).all()
        factor = 64 // len(small)
        coarse = inside.reshape(len(small), factor, len(small), factor).mean(axis=(1, 3))
        assert np.corrcoef(coarse.ravel(), small.ravel())[0, 1] > 0.9  # the same places, neither turned nor mirrored
        assert coarse.mean() == pytest.approx(small.mean(), abs=0.01)


def test_a_turned_photo_gives_the_same(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(photo).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    straight, turned = resattn.look(MODEL, photo), resattn.look(MODEL, tmp_path / "turned.png")
    assert turned.steps() == "100×64 pixels, turned upright, cut to the middle 64×64, scaled to 32×32"
    assert straight.steps() == "100×64 pixels, cut to the middle 64×64, scaled to 32×32"
    np.testing.assert_array_equal(straight.masks["stage1.attention1"], turned.masks["stage1.attention1"])


def test_an_overlay_has_the_size_of_the_picture_and_the_colours_of_the_mask(photo):
    found = resattn.look(MODEL, photo)
    over = found.overlay("stage1.attention1", blend=1)
    assert over.size == (100, 64) and over.mode == "RGB"
    pixels, mask = np.asarray(over), found.masks["stage1.attention1"]
    assert (pixels[:, :18] == 255).all() and (pixels[:, 82:] == 255).all()
    high, low = (np.unravel_index(find(mask), mask.shape) for find in (np.nanargmax, np.nanargmin))
    assert pixels[high].tolist() == [253, 231, 36] and pixels[low].tolist() == [68, 1, 84]  # the ends of viridis
    assert np.array_equal(np.asarray(found.overlay(blend=0)), np.asarray(Image.open(photo)))
    assert np.array_equal(np.asarray(found.overlay()), np.asarray(found.overlay("stage3.attention1", 0.5)))
    with pytest.raises(ValueError, match=r"no mask of 'stage9'; there are stage1\.attention1"):
        found.overlay("stage9")
    with pytest.raises(ValueError, match="between 0 and 1; got 2"):
        found.overlay(blend=2)


def test_the_network_stays_as_it_was(photo):
    model = resattn.load_pretrained("attention56_scenes").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = resattn.look(model, photo)
    assert model.training and found.probabilities.tolist() == resattn.look(MODEL, photo).probabilities.tolist()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_size_and_a_network_without_masks(photo):
    found = resattn.look(resattn.load_pretrained("attention56_scenes_trunk"), photo, size=64)
    assert found.shown.shape == (3, 64, 64) and found.masks == {} == found.channels
    assert torch.equal(found.shown, SCENES.images[0])
    with pytest.raises(ValueError, match="no masks to lay over"):
        found.overlay()
    with pytest.raises(ValueError, match="images of 8×8 pixels or larger; got 4×4"):
        resattn.look(MODEL, photo, size=4)


def test_what_is_untrained_has_no_classes_to_name(photo):
    with pytest.raises(ValueError, match="no record of a training that names its classes: train it first"):
        resattn.look(resattn.create("attention56"), photo)
    with pytest.raises(ValueError, match="no record of a training"):
        resattn.look(resattn.load_pretrained("attention56_scenes", num_classes=10), photo)


def test_inputs_are_those_of_the_record():
    inputs = zoo.inputs_of(MODEL)
    assert (inputs.size, inputs.classes) == (32, tuple(MODEL.record["data"]["classes"]))
    assert inputs.normalise.mean == pytest.approx(MODEL.record["mean"])
    model = resattn.load_pretrained("attention56_scenes")
    model.record = model.record | {"data": model.record["data"] | {"classes": ["cat", "dog"], "size": 64}}
    inputs = zoo.inputs_of(model)
    assert inputs.size == 64 and inputs.classes[:3] == ("cat", "dog", "output 2") and len(inputs.classes) == 10
    model.classifier = torch.nn.Linear(128, 1)
    with pytest.raises(ValueError, match="names 2 classes, and the network has 1 outputs"):
        zoo.inputs_of(model)
