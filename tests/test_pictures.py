"""Picture files as phones, scanners and drawing programs write them: read rightly, or refused in one sentence."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resattn.data import DataError, FolderBatches, picture_set, read_picture, scenes

SCENE = scenes("test", 10, size=64).images[3].permute(1, 2, 0).numpy()[:48]  # [48, 64, 3]
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))  # [48, 64]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(read_picture(path).image).astype(int)


def off(path: Path, truth: np.ndarray) -> float:
    """The largest difference of a file's pixels from what they should be."""
    return float(np.abs(pixels(path) - (truth if truth.ndim == 3 else truth[..., None])).max())


def saved(array: np.ndarray | Image.Image, path: Path, **options: object) -> Path:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_every_exif_turn_comes_out_upright(turn, suffix, tmp_path):
    """What a camera stores for each of the eight orientations: the upright picture, turned the other way round."""
    stored = {
        1: SCENE, 2: SCENE[:, ::-1], 3: SCENE[::-1, ::-1], 4: SCENE[::-1], 5: SCENE.transpose(1, 0, 2),
        6: np.rot90(SCENE, 1), 7: SCENE[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(SCENE, -1),
    }[turn]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    path = saved(np.ascontiguousarray(stored), tmp_path / f"turned.{suffix}", exif=exif, **options)
    assert off(path, SCENE) <= (5 if suffix == "jpg" else 0)
    assert read_picture(path).notes == (() if turn == 1 else ("turned upright",))


DEEP = {
    "16-bit PNG": ("png", GREY.astype(np.uint16) * 257, GREY, "16-bit values 0 to 65535"),
    "16-bit TIFF": ("tif", GREY.astype(np.uint16) * 257, GREY, "16-bit values 0 to 65535"),
    "32-bit TIFF": ("tif", GREY.astype(np.int32) * 257, GREY, "16-bit values 0 to 65535"),
    "float, 0 to 1": ("tif", (GREY / 255).astype(np.float32), GREY, "floating-point values 0 to 1"),
    "float, 0 to 255": ("tif", GREY.astype(np.float32), GREY, "floating-point values 0 to 255"),
    "black, 16 bits": ("png", np.zeros((8, 8), np.uint16), np.zeros((8, 8), int), "16-bit values 0 to 65535"),
    "white, float": ("tif", np.ones((8, 8), np.float32), np.full((8, 8), 255), "floating-point values 0 to 1"),
}


@pytest.mark.parametrize(("suffix", "values", "truth", "note"), DEEP.values(), ids=DEEP)
def test_deep_pictures_are_scaled_to_eight_bits(suffix, values, truth, note, tmp_path):
    path = saved(values, tmp_path / f"deep.{suffix}")
    assert off(path, truth) <= 1
    assert read_picture(path).notes == (f"{note} scaled to 0 to 255",)


NARROW = {
    "16-bit PNG": ("png", 1000 + GREY.astype(np.uint16)),
    "12 bits in 16": ("tif", GREY.astype(np.uint16) * 16),
    "negative float": ("tif", GREY.astype(np.float32) - 90),
    "large float": ("tif", GREY.astype(np.float32) * 1e6),
    "small float": ("tif", GREY.astype(np.float32) * 1e-6),
    "large whole numbers": ("tif", GREY.astype(np.int32) * 1_000_000),
}


@pytest.mark.parametrize(("suffix", "values"), NARROW.values(), ids=NARROW)
def test_a_range_that_its_type_does_not_suggest_is_spread_and_said(suffix, values, tmp_path):
    path = saved(values, tmp_path / f"narrow.{suffix}")
    low, high = int(GREY.min()), int(GREY.max())
    assert off(path, (GREY.astype(float) - low) * 255 / (high - low)) <= 1
    assert f"values {values.min():g} to {values.max():g} scaled" in read_picture(path).notes[0]


def test_transparent_parts_lie_on_white(tmp_path):
    ink = np.zeros((10, 10, 4), np.uint8)  # black everywhere, but only a stroke can be seen
    ink[4:6, :, 3] = 255
    truth = np.where(ink[..., 3] > 0, 0, 255)
    files = [saved(ink, tmp_path / "rgba.png"), saved(Image.fromarray(ink).convert("LA"), tmp_path / "la.png")]
    palette = Image.fromarray(np.where(ink[..., 3] > 0, 1, 0).astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 0, 0, 0])
    files += [saved(palette, tmp_path / f"palette.{kind}", transparency=0) for kind in ("png", "gif")]
    files.append(saved(Image.fromarray(ink[..., :3]), tmp_path / "key.png", transparency=(0, 0, 0)))
    for path in files[:-1]:
        assert off(path, truth) == 0, path
    assert off(files[-1], np.full((10, 10), 255)) == 0  # black is the colour that this file makes transparent
    assert all("transparent parts laid on white" in read_picture(path).notes for path in files)
    half = np.full((4, 4, 4), (255, 0, 0, 128), np.uint8)
    assert off(saved(half, tmp_path / "half.png"), np.full((4, 4, 3), (255, 127, 127))) <= 1
    opaque = saved(np.dstack([SCENE, np.full_like(GREY, 255)]), tmp_path / "opaque.png")
    assert off(opaque, SCENE) == 0 and read_picture(opaque).notes == ()


def test_grey_palette_bilevel_and_cmyk_become_rgb(tmp_path):
    scene = Image.fromarray(SCENE)
    assert off(saved(GREY, tmp_path / "grey.png"), GREY) == 0
    assert off(saved(scene.convert("1"), tmp_path / "fax.tif"), np.asarray(scene.convert("1")) * 255) == 0
    palette = scene.quantize(64)
    assert off(saved(palette, tmp_path / "palette.png"), np.asarray(palette.convert("RGB"))) == 0
    for kind in ("tif", "jpg"):
        assert off(saved(scene.convert("CMYK"), tmp_path / f"cmyk.{kind}", quality=95), SCENE) <= 40
        assert np.abs(pixels(tmp_path / f"cmyk.{kind}") - SCENE).mean() < 3
    assert all(read_picture(path).notes == () for path in tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tif"])
def test_of_several_frames_the_first_is_read_and_said(kind, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    path = saved(frames[0], tmp_path / f"moving.{kind}", save_all=True, append_images=frames[1:], lossless=True)
    assert off(path, np.full((8, 8, 3), (255, 0, 0))) <= 1
    assert read_picture(path).notes == ("the first of 3 frames",)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
             for kind, data in chunks]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


REFUSED = {
    "no picture": (b"not a picture", "is damaged, or not of a kind that is read here"),
    "empty": (b"", "is damaged, or not of a kind that is read here"),
    "only a header": (png(header(8, 8)), "is damaged, or not"),
    "animation cut short": (png(header(8, 8), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", b"\0" * 9)), "cannot be"),
    "animation of no frames": (
        png(header(8, 8), (b"acTL", b"\0" * 3), (b"fdAT", b"\0"), (b"IDAT", b""), (b"IEND", b"")),
        "cannot be read",
    ),
    "a huge one": (png(header(20_000, 20_000), (b"IDAT", b""), (b"IEND", b"")), "has more than 178,956,970 pixels"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(content, words, tmp_path, recwarn):
    path = tmp_path / "odd picture.png"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_picture(path)
    message = str(caught.value)
    assert message.startswith(f"The picture {path} ") and words in message
    assert "\n" not in message and message.endswith(".") and caught.value.__cause__ is None
    assert not recwarn.list


def test_what_is_no_file_or_holds_no_numbers_is_refused_too(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.jpg is missing\.$"):
        read_picture(tmp_path / "nowhere.jpg")
    with pytest.raises(DataError, match="is a folder; name the files in it"):
        read_picture(tmp_path)
    values = GREY.astype(np.float32)
    values[3, 3] = np.nan
    with pytest.raises(DataError, match="holds values that are not finite"):
        read_picture(saved(values, tmp_path / "nan.tif"))
    with pytest.raises(DataError, match=r"lab\.tif has its colours as LAB; save it as RGB"):
        read_picture(saved(Image.new("LAB", (8, 8)), tmp_path / "lab.tif"))


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "tif", "webp"])
def test_cut_or_flipped_files_never_end_in_anything_but_a_picture_or_a_sentence(kind, tmp_path):
    rng = np.random.default_rng(0)
    whole = saved(SCENE, tmp_path / f"whole.{kind}").read_bytes()
    path = tmp_path / f"broken.{kind}"
    refused = 0
    for _ in range(40):
        data = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.5 else whole)
        for place in rng.integers(0, len(data), 8):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            picture = read_picture(path)
        except DataError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert picture.image.mode == "RGB"
    assert refused > 5


def test_a_large_photo_is_read_without_a_word(tmp_path, recwarn):
    path = saved(Image.new("L", (10_000, 9_500), 7), tmp_path / "large.png")  # Pillow warns from 89 million pixels on
    assert read_picture(path).image.size == (10_000, 9_500)
    assert not recwarn.list


def test_what_a_network_is_shown_is_the_middle_square(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200  # the middle square
    picture = read_picture(saved(wide, tmp_path / "wide.png"))
    assert picture.square == (20, 0, 40, 20)
    shown = picture.shown_at(10)
    assert shown.shape == (3, 10, 10) and shown.dtype == torch.uint8 and (shown == 200).all()
    same = read_picture(saved(SCENE[:, :48], tmp_path / "same.png")).shown_at(48)
    assert torch.equal(same, torch.from_numpy(SCENE[:, :48].copy()).permute(2, 0, 1))
    with pytest.raises(ValueError, match="1 pixel or more, not 0"):
        picture.shown_at(0)


def test_a_set_of_own_pictures(tmp_path):
    files = [saved(SCENE, tmp_path / "a.png"), saved(GREY, tmp_path / "b.png")]
    found = picture_set(files, 32)
    assert found.images.shape == (2, 3, 32, 32) and found.classes == ("picture",) and found.name == "Own pictures"
    assert torch.equal(found.images[1], read_picture(files[1]).shown_at(32))
    with pytest.raises(ValueError, match="no pictures"):
        picture_set([], 32)


def test_folders_read_pictures_the_same_way(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for split in ("train", "val"):
        (tmp_path / split / "only").mkdir(parents=True)
        saved(np.ascontiguousarray(np.rot90(SCENE)), tmp_path / split / "only" / "turned.png", exif=exif)
        saved(GREY.astype(np.uint16) * 257, tmp_path / split / "only" / "deep.png")
    mean, std = (0.0,) * 3, (1 / 255,) * 3
    x, _ = next(FolderBatches(tmp_path, "test", 28, 2, 0, mean=mean, std=std).epoch(0))  # [2, 3, 28, 28], in 0 to 255
    upright = Image.fromarray(SCENE).resize((42, 32), Image.Resampling.BILINEAR).crop((7, 2, 35, 30))  # 32 = 28·256/224
    grey = Image.fromarray(GREY).resize((42, 32), Image.Resampling.BILINEAR).crop((7, 2, 35, 30)).convert("RGB")
    for image, truth in zip(x, (grey, upright), strict=True):  # in the order of their names
        assert np.abs(image.permute(1, 2, 0).numpy() - np.asarray(truth)).max() <= 2
