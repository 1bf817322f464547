"""ONNX networks in fp16 and int8: products of the encoder are computed so, and nothing that could not bear it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from video_adapters.model.build import build_classifier
from video_adapters.model.encoders import pretrained
from video_adapters.recognition import reduced_precision
from video_adapters.recognition.agreement import noise
from video_adapters.recognition.export_formats import Exported, open_onnx, write_onnx
from video_adapters.recognition.reduced_precision import check_size, to_fp16, to_int8

from helpers.real_features import make_real
from helpers.toy import SMALL, composed

WIDTH, CLASSES = 16, 3
LOUD = 1e5  # in one channel of the residual stream: fp16 ends at 65504


def block_and_head(path: Path) -> Path:
    """A residual MLP as torch's exporter writes it, (B, WIDTH) uint8 -> (B, CLASSES), its head noted as the head's."""
    generator = np.random.default_rng(0)
    shapes = {"up": (WIDTH, 32), "up_bias": (32,), "down": (32, WIDTH), "head": (WIDTH, CLASSES), "loud": (WIDTH,)}
    values = {name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    values |= {"scale": np.ones(WIDTH, np.float32), "shift": np.zeros(WIDTH, np.float32)}
    values["loud"][0] = LOUD
    nodes = [
        helper.make_node("Cast", ["clips"], ["pixels"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Add", ["pixels", "loud"], ["tokens"], name="embed"),
        helper.make_node("LayerNormalization", ["tokens", "scale", "shift"], ["normed"], name="norm"),
        helper.make_node("MatMul", ["normed", "up"], ["wide"], name="up"),
        helper.make_node("Add", ["wide", "up_bias"], ["biased"], name="bias"),
        helper.make_node("Gelu", ["biased"], ["active"], name="gelu"),
        helper.make_node("MatMul", ["active", "down"], ["branch"], name="down"),
        helper.make_node("Add", ["tokens", "branch"], ["sum"], name="residual"),
        helper.make_node(
            "Sub", ["sum", "loud"], ["quiet"], name="centre"
        ),  # else the norm would leave nothing beside it
        helper.make_node("LayerNormalization", ["quiet", "scale", "shift"], ["features"], name="last_norm"),
        helper.make_node("MatMul", ["features", "head"], ["logits"], name="score"),
    ]
    nodes[-1].metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'classifier', 'classifier.head']")
    graph = helper.make_graph(
        nodes,
        "block",
        [helper.make_tensor_value_info("clips", TensorProto.UINT8, ["batch", WIDTH])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def pixels(count: int) -> Tensor:
    return torch.randint(256, (count, WIDTH), generator=torch.Generator().manual_seed(count), dtype=torch.uint8)


def calibration() -> Iterator[Tensor]:
    yield from pixels(32).split(1)


CONVERT: dict[str, Callable[[Path, Path], None]] = {
    "fp16": to_fp16,
    "int8": lambda source, target: to_int8(source, target, calibration()),
}


@pytest.mark.parametrize("precision", CONVERT)
def test_the_encoders_products_are_reduced_and_the_rest_is_not(precision: str, tmp_path: Path) -> None:
    source = block_and_head(tmp_path / "fp32.onnx")
    CONVERT[precision](source, tmp_path / "reduced.onnx")
    graph = onnx.load(tmp_path / "reduced.onnx").graph
    small = {one.name for one in graph.initializer if one.data_type in (TensorProto.FLOAT16, TensorProto.INT8)}
    fp32 = {one.name for one in graph.initializer if one.data_type == TensorProto.FLOAT}
    assert {name.partition("_")[0] for name in small} >= {"up", "down"}
    assert {"head", "loud", "scale", "shift"} <= fp32
    assert not {"up", "down"} & fp32  # they would lie there twice
    assert "residual" in {node.name for node in graph.node}
    before, after = open_onnx(source), open_onnx(tmp_path / "reduced.onnx")
    for count in (1, 3):
        given = after(pixels(count))
        assert given.dtype == torch.float32
        assert 0 < (given - before(pixels(count))).abs().max() < 0.1


def test_a_network_of_more_than_one_message_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fp32.onnx").write_bytes(b"0" * 60)
    (tmp_path / "fp32.onnx.data").write_bytes(b"0" * 60)
    check_size(tmp_path / "fp32.onnx")
    monkeypatch.setattr(reduced_precision, "LARGEST", 100)
    with pytest.raises(ValueError, match=r"only --precision fp32 can be had of it"):
        check_size(tmp_path / "fp32.onnx")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch's exporter
def test_features_like_clips_and_dinov2s_stay_finite_and_near_in_fp16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie around 20, differ by 0.003, and some channels of the residual stream are a hundred times the others."""
    small = [one for one in SMALL if not one.startswith("model=")]
    sizes = ["data.image_size=32", "data.num_frames=4", "data.num_classes=3", "run_dir=."]
    cfg = composed("experiment=aim_k400", *small, "model=toy_vit", "model.encoder.depth=2", *sizes)
    plain = pretrained.build_random
    monkeypatch.setattr(pretrained, "build_random", lambda build: make_real(plain(build)))
    torch.manual_seed(0)
    classifier = build_classifier(cfg).eval()
    features = classifier.backbone(noise(classifier.backbone, 4)).mean(1)
    assert features.abs().max() > 1000
    with torch.no_grad():
        for parameter in classifier.trainable().values():
            parameter.add_(0.3 * torch.randn(parameter.shape))
        write_onnx(Exported(classifier, True).eval(), noise(classifier.backbone, 2), ("c", "l"), tmp_path / "a.onnx")
    to_fp16(tmp_path / "a.onnx", tmp_path / "b.onnx")
    clips = noise(classifier.backbone, 5)
    before, after = (open_onnx(tmp_path / f"{name}.onnx")(clips) for name in "ab")
    assert after.isfinite().all()
    assert (after - before).abs().max() < 5e-4 * before.abs().max()  # which is above 1000
