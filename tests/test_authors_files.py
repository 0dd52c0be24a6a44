"""The reader of Caffe model files, on small files of our own."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from experiments import authors_files
from resattn import zoo
from resattn.networks import create

SMALL = """
name: "Small"  # a comment
input: "data"
input_dim: 1
input_dim: 3
input_dim: 9
input_dim: 9
layer{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 pad: 1 kernel_size: 3 stride: 1 bias_term: false } }
layer { name: "bn" type: "BN" bottom: "conv" top: "bn" bn_param { frozen: true } }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "pool" type: "Pooling" bottom: "bn" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "up" type: "Interp" bottom: "pool" bottom: "bn" top: "up" }
layer { name: "mask" type: "Sigmoid" bottom: "up" top: "mask" }
layer { name: "fused" type: "Eltwise" bottom: "mask" bottom: "bn" top: "fused" eltwise_param { operation: PROD } }
layer { name: "sum" type: "Eltwise" bottom: "fused" bottom: "bn" top: "sum" eltwise_param { operation: SUM } }
layer { name: "average" type: "Pooling" bottom: "sum" top: "average"
  pooling_param { pool: AVE kernel_size: 9 stride: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "average" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


class Twin(nn.Module):
    """The same network, written with layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        T = F.relu(self.bn(self.conv(x)))  # [1, 4, 9, 9]
        small = F.max_pool2d(T, 3, 2, ceil_mode=True)  # [1, 4, 4, 4]
        M = torch.sigmoid(F.interpolate(small, (9, 9), mode="bilinear", align_corners=True))
        return self.fc(((1 + M) * T).mean(dim=(2, 3)))


def read(tmp_path: Path, text: str) -> authors_files.Model:
    path = tmp_path / "Small-deploy.prototxt"
    path.write_text(text, encoding="utf-8")
    return authors_files.read(path)


def test_a_file_and_its_twin_give_the_same_logits(tmp_path):
    found = authors_files.compare(read(tmp_path, SMALL), Twin())
    assert found["difference"] < 1e-14
    assert found["parameters"] == found["our_parameters"] == 4 * 27 + 8 + 25
    assert found["layers"] == 11 and found["missing_inputs"] == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("operation: PROD", "operation: SUM"),
        ("stride: 2", "stride: 3"),
        ('bottom: "pool" bottom: "bn"', 'bottom: "bn" bottom: "bn"'),
    ],
)
def test_another_wiring_shows(tmp_path, old, new):
    assert old in SMALL
    assert authors_files.compare(read(tmp_path, SMALL.replace(old, new)), Twin())["difference"] > 1e-4


def test_an_input_that_does_not_exist_is_named(tmp_path):
    model = read(tmp_path, SMALL.replace('bottom: "average"', 'bottom: "gathered"'))
    found = authors_files.compare(model, Twin())
    assert found["missing_inputs"] == {"fc": "gathered"} and found["difference"] < 1e-14


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layer {", "1 braces are never closed"),
        ("}", "closed that was never opened"),
        ("", "does not hold a model"),
        (SMALL.replace("input_dim: 9", "input_dim: wide"), "does not hold a model"),
    ],
)
def test_other_text_gets_one_sentence(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=f"Small-deploy.prototxt does not hold .*|{sentence}") as error:
        read(tmp_path, text)
    assert sentence in str(error.value)


def test_an_unknown_layer_is_named(tmp_path):
    model = read(tmp_path, SMALL.replace('"Sigmoid"', '"TanH"'))
    with pytest.raises(ValueError, match="mask of Small is a layer of an unknown kind, 'TanH'"):
        authors_files.run(model, torch.zeros(1, 3, 9, 9, dtype=torch.float64))


def test_the_command_wants_all_four_files(tmp_path, capsys):
    assert authors_files.main([str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "has no Attention-56-deploy.prototxt" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_stores_a_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(authors_files, "OURS", {"Small": "small"})
    monkeypatch.setattr(authors_files, "create", lambda name: Twin())
    (tmp_path / "Small-deploy.prototxt").write_text(SMALL, encoding="utf-8")
    assert authors_files.main([str(tmp_path), "--out", str(tmp_path)]) == 0
    assert "Small: 141 parameters, ours 141" in capsys.readouterr().out
    (run,) = json.loads((tmp_path / "authors_files.json").read_text())["runs"]
    assert run["key"] == "Small" and run["network"] == "small" and run["difference"] < 1e-14


def test_the_stored_record_is_of_our_networks():
    runs = zoo.load_records("authors_files")
    assert [run["network"] for run in runs] == list(authors_files.OURS.values())
    for run in runs:
        with torch.device("meta"):
            count = sum(p.numel() for p in create(run["network"]).parameters())
        assert run["our_parameters"] == count == run["parameters"] and run["difference"] < 1e-12
