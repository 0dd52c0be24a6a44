"""``python -m resattn look`` as a person meets it, on the picture that the book ships and on pictures that go wrong."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import resattn
from resattn.__main__ import main
from tools import own_picture

PHOTO = ROOT / "book" / "_static" / "own_picture.jpg"
SCENES = ["--weights", "attention56_scenes"]


def run(capsys, *arguments):
    status = main(["look", *(str(a) for a in arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_classes_masks_and_arrays_of_a_photo(capsys, tmp_path):
    status, text, error = run(capsys, PHOTO, *SCENES, "--out", tmp_path, "--raw")
    assert (status, error) == (0, "")
    lines = text.splitlines()
    assert lines[0] == f"{PHOTO}: 480×320 pixels, turned upright, cut to the middle 320×320, scaled to 32×32"
    found = resattn.look(resattn.load_pretrained("attention56_scenes"), PHOTO)
    assert [line.split("  ")[-1] for line in lines[1:4]] == [name for name, _ in found.top()]
    assert lines[1].split()[0] == f"{found.top()[0][1]:.1%}"
    assert {path.name for path in tmp_path.iterdir()} == {"own_picture.masks.png", "own_picture.masks.npz"}
    with Image.open(tmp_path / "own_picture.masks.png") as picture:
        assert picture.width > picture.height > 400
    with np.load(tmp_path / "own_picture.masks.npz") as arrays:
        assert arrays["classes"][arrays["probabilities"].argmax()] == found.top()[0][0]
        assert arrays["square"].tolist() == [80, 0, 400, 320]
        for name, mask in found.masks.items():
            np.testing.assert_array_equal(arrays[name], mask)
            np.testing.assert_array_equal(arrays[f"{name}.channels"], found.channels[name])


def test_without_raw_only_the_picture_is_written_and_the_photographs_network_is_the_default(capsys, tmp_path):
    status, text, _ = run(capsys, PHOTO, "--out", tmp_path)
    assert status == 0 and [path.name for path in tmp_path.iterdir()] == ["own_picture.masks.png"]
    classes = resattn.load_pretrained("attention56_cifar10").record["data"]["classes"]
    assert text.splitlines()[1].split("  ")[-1] in classes


def test_what_goes_wrong_is_one_sentence(capsys, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(PHOTO.read_bytes()[:9000])
    for arguments, words in (
        ([broken], f"resattn: The picture {broken} cannot be read"),
        ([tmp_path / "none.jpg"], "none.jpg is missing."),
        ([PHOTO, "--weights", "nowhere"], "there are no weights 'nowhere'"),
        ([PHOTO, PHOTO], "two pictures are called own_picture"),
        ([PHOTO, "--size", "4", *SCENES], "needs images of 8×8 pixels or larger; got 4×4"),
    ):
        status, _, error = run(capsys, *arguments, "--out", tmp_path / "out")
        assert status == 1 and words in error and len(error.splitlines()) == 1, error
    assert not (tmp_path / "out").exists()


def test_a_network_without_masks_still_names_classes(capsys, tmp_path):
    status, text, _ = run(capsys, PHOTO, "--weights", "attention56_scenes_trunk", "--out", tmp_path / "out")
    assert status == 0 and "%  aeroplane" in text and "has no masks to draw" in text
    assert not (tmp_path / "out").exists()


def test_the_picture_that_ships_is_the_one_that_its_tool_makes():
    shipped = resattn.data.read_picture(PHOTO)
    assert shipped.notes == ("turned upright",)  # stored on its side, as telephones do
    made = np.asarray(own_picture.make()).astype(int)
    # A JPEG blurs the grain; of a picture on its side not even the shape would fit.
    assert np.abs(np.asarray(shipped.image).astype(int) - made).mean() < 6


def test_the_view_refuses_a_network_without_masks():
    from resattn.figures.mask_plots import look_view

    found = resattn.look(resattn.load_pretrained("attention56_scenes_trunk"), PHOTO)
    with pytest.raises(ValueError, match="no masks to draw"):
        look_view(found)
