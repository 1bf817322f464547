"""Checkpoints for other programs: what comes out of the written file is what PyTorch gives."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from omegaconf import OmegaConf

from video_adapters.model.build import build_classifier, build_frozen
from video_adapters.model.checkpoint import PREFIX, Origin
from video_adapters.model.encoders.linears import Affine
from video_adapters.recognition import agreement, export_formats
from video_adapters.recognition import export as exports
from video_adapters.recognition.export import export
from video_adapters.recognition.export_request import Request
from video_adapters.recognition.load import Loaded, load
from video_adapters.training.trainer import AtomicCheckpointIO

from helpers.toy import SMALL, composed

pytestmark = [  # torch's exporter and what it stands on use what newer Pythons and torches deprecate
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
KINDS = {
    "vit": ["model=toy_vit", "model.encoder.depth=2"],
    "clip": ["model=toy_clip", "model.encoder.vision_cfg.layers=2"],
    "eva": ["model=toy_eva", "model.encoder.depth=2"],
    "swin": ["model=toy_swin", "adapter=aim_swin", "model.encoder.depths=[2,1]"],
    "timesformer": ["model=toy_vit", "adapter=timesformer", "model.encoder.depth=2"],
    "side4video": ["model=toy_vit", "model.encoder.depth=2", "adapter=side4video_shapes"],
    "video swin": ["model=toy_swin", "adapter=video_swin"],
    "frame2freq": ["model=toy_vit", "adapter=frame2freq", "model.encoder.depth=2"],
    "in order": ["model=toy_vit", "model.depth=2", "model.pool=both", "head=linear_in_order"],
    "map of tokens": ["model=toy_vit", "model.depth=2", "head=map", "head.reads=tokens"],
    "zeroi2v": ["model=toy_vit", "adapter=zeroi2v", "model.encoder.depth=2", "+model.encoder.init_values=0.1"],
    "lora": ["model=toy_clip", "adapter=lora", "model.encoder.vision_cfg.layers=2"],
    "attentive": ["model=toy_vit", "model.depth=2", "adapter=frozen", "head=attentive"],
}
NAMES = ("run", "sit", "wave")


def checkpoint_of(kind: str, folder: Path) -> Path:
    """A checkpoint of a toy network whose adapters and head are anything but zero."""
    sizes = ["data.image_size=32", "data.num_frames=4", "data.num_classes=3", "schedule.warmup_epochs=0"]
    small = [override for override in SMALL if not override.startswith("model=")]
    cfg = composed("experiment=aim_k400", *small, *KINDS[kind], *sizes, "run_dir=.", "name=toy")
    torch.manual_seed(cfg.seed)
    classifier = build_classifier(cfg)
    generator = torch.Generator().manual_seed(1)
    trained = {n: p + 0.3 * torch.randn(p.shape, generator=generator) for n, p in classifier.trainable().items()}
    trained = {**classifier.learned(), **trained}
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    origin = Origin({str(k): v for k, v in config.items()}, NAMES, classifier.backbone.encoder.fingerprint)
    state = {PREFIX + name: value.detach() for name, value in trained.items()}
    AtomicCheckpointIO().save_checkpoint({"state_dict": state, "origin": origin.as_dict()}, folder / "toy.ckpt")
    return folder / "toy.ckpt"


def expected(path: Path, clips: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return load(path).classifier(torch.from_numpy(clips)).softmax(-1).numpy()


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 4, 3, 32, 32), np.uint8)


def stand_in(monkeypatch: pytest.MonkeyPatch, opened: Callable[[Any], Any]) -> None:
    """Writes an empty file in torch_export's place, which takes many seconds; `opened` says what it is of a network."""
    files: dict[Path, Any] = {}

    def write(network: Any, clips: Any, names: Any, path: Path) -> None:
        path.touch()
        files[path] = opened(network)

    monkeypatch.setitem(export_formats.WRITE, "torch_export", write)
    monkeypatch.setitem(export_formats.OPEN, "torch_export", files.__getitem__)
    monkeypatch.setattr(agreement, "TURNS", (1, 1))


def deployed(loaded: Loaded) -> int:
    """Parameters of a network as it is deployed: the encoder's, the head's, and a temporal embedding if there is one.

    Counted without the method: of the same encoder with nothing around its blocks.
    """
    backbone, head = loaded.classifier.backbone, loaded.classifier.head
    encoder = build_frozen(loaded.cfg)
    time = backbone.temporal_embedding
    parts = [*encoder.parameters(), *head.parameters(), *([] if time is None else [time])]
    return sum(p.numel() for p in parts)


def stored(path: Path) -> int:
    """Numbers in floating point that an ONNX file holds: parameters, and a few constants."""
    held = onnx.load(path).graph.initializer
    return sum(int(np.prod(one.dims)) for one in held if one.data_type == onnx.TensorProto.FLOAT)


@pytest.mark.parametrize("kind", ["zeroi2v", pytest.param("lora", marks=pytest.mark.slow)])
def test_what_is_exported_has_the_encoders_parameters_and_the_heads_and_no_more(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []
    stand_in(monkeypatch, lambda network: written.append(network) or network)
    path = checkpoint_of(kind, tmp_path)
    about = export(Request(checkpoint=path, format="torch_export"))
    loaded = load(path)
    before = sum(p.numel() for p in loaded.classifier.parameters())
    after = sum(p.numel() for p in written[0].parameters())
    assert after == deployed(loaded) == before - about["folded_parameters"]
    assert 0 < about["largest_difference"] < 1e-4 or kind == "lora"  # W + BA is what its network computes with anyway


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_torch_export_gives_what_the_checkpoint_gives(kind: str, tmp_path: Path) -> None:
    path = checkpoint_of(kind, tmp_path)
    export(Request(checkpoint=path, format="torch_export"))
    program = torch.export.load(tmp_path / "toy.pt2")
    network = program.module()
    if kind in ("zeroi2v", "lora"):
        assert sum(value.numel() for value in program.state_dict.values()) == deployed(load(path))
    for count in (1, 5):
        given = network(torch.from_numpy(noise(count))).detach().numpy()
        assert given.std() > 0.01
        np.testing.assert_allclose(given, expected(path, noise(count)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_onnx_file_gives_what_the_checkpoint_gives(kind: str, tmp_path: Path) -> None:
    path = checkpoint_of(kind, tmp_path)
    export(Request(checkpoint=path, format="onnx", out=tmp_path / "new" / "toy.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "new" / "toy.onnx"), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        (given,) = session.run(["probabilities"], {"clips": noise(count)})
        np.testing.assert_allclose(given, expected(path, noise(count)), atol=1e-4)
    about = json.loads((tmp_path / "new" / "toy.json").read_text())
    assert about["class_names"] == list(NAMES)
    assert about["input"] == {"name": "clips", "shape": ["batch", 4, 3, 32, 32], "dtype": "uint8"}
    assert (about["num_frames"], about["image_size"]) == (4, [32, 32])
    assert about["preprocessing"]["frames"]["rule"] == "strided"
    assert about["preprocessing"]["crop"]["size"] == 32
    assert len(about["mean"]) == len(about["std"]) == 3
    assert about["largest_difference"] < 1e-4
    if kind in ("zeroi2v", "lora"):
        # the exporter leaves out scales that are 1 and adds up constants; adapters would be some thousands more
        assert abs(stored(tmp_path / "new" / "toy.onnx") - deployed(load(path))) < 500
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["toy.json", "toy.onnx"]


def test_logits_are_exported_on_request(tmp_path: Path) -> None:
    path = checkpoint_of("vit", tmp_path)
    loaded, clips = load(path), torch.from_numpy(noise(2))
    with torch.no_grad():
        logits = export_formats.Exported(loaded.classifier, logits=True)(clips)
        assert torch.equal(logits, loaded.classifier(clips))
    about = exports.describe(Request(checkpoint=path, format="torch_export", logits=True), loaded)
    assert about["output"] == {"name": "logits", "shape": ["batch", 3], "dtype": "float32"}


def test_the_licence_of_the_encoder_goes_from_the_checkpoint_into_the_description(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = checkpoint_of("vit", tmp_path)
    request = Request(checkpoint=path, format="torch_export")
    assert exports.describe(request, load(path))["encoder_licence"] is None
    content = torch.load(path)
    for licence, licence_read in (("dinov3-license", "dinov3-license"), (None, "")):
        content["origin"]["licence"] = licence
        if licence is None:
            del content["origin"]["licence"]  # as earlier versions wrote it
        torch.save(content, path)
        caplog.clear()
        assert load(path).licence == licence_read
        assert ("dinov3-license, not a free licence" in caplog.text) == bool(licence)
    content["origin"]["licence"] = ["dinov3-license"]
    torch.save(content, path)
    with pytest.raises(ValueError, match="what it says of its origin has another form"):
        load(path)


def test_a_file_with_other_values_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint_of("vit", tmp_path)
    stand_in(monkeypatch, lambda network: lambda clips: network(clips) + 0.001)
    with pytest.raises(ValueError, match=r"off by up to 0\.00\d+ of the largest that PyTorch gives \("):
        export(Request(checkpoint=path, format="torch_export"))
    assert [file.name for file in tmp_path.iterdir()] == ["toy.ckpt"]


def test_a_difference_is_a_share_of_small_scores_and_of_large_ones_none() -> None:
    probabilities, logits = torch.full((1, 100), 0.01), torch.tensor([[20.0, -3.0]])
    assert agreement.difference(probabilities, probabilities + 5e-5) == pytest.approx(5e-3, rel=1e-3)
    assert agreement.difference(logits, logits + 5e-4) == pytest.approx(5e-4, rel=1e-2)
    assert agreement.difference(logits, logits[:, :1]) == float("inf")


def test_a_fault_in_folding_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is held against the network as it was trained, not as it is after."""
    path = checkpoint_of("zeroi2v", tmp_path)
    monkeypatch.setattr(Affine, "fold_after", lambda *_: None)
    stand_in(monkeypatch, lambda network: network)
    with pytest.raises(ValueError, match="the torch_export export gives values that are off by up to"):
        export(Request(checkpoint=path, format="torch_export"))


def test_missing_packages_are_named_with_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    with pytest.raises(ValueError, match=r"--format onnx needs onnxscript: pip install -e '\.\[export\]'"):
        Request(checkpoint=Path("c.ckpt"), format="onnx")


def test_files_in_the_way_and_unknown_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.json").touch()
    with pytest.raises(ValueError, match=r"toy\.json exists already: choose another --out, or say --overwrite"):
        Request(checkpoint=tmp_path / "toy.ckpt", format="torch_export")
    Request(checkpoint=tmp_path / "toy.ckpt", format="torch_export", overwrite=True)
    with pytest.raises(ValueError, match=r"but \.json is the description's"):
        Request(checkpoint=tmp_path / "c.ckpt", format="onnx", out=tmp_path / "new.json")
    with pytest.raises(ValueError, match="the format is 'tflite', expected one of: onnx, openvino, torch_export"):
        Request(checkpoint=tmp_path / "toy.ckpt", format="tflite")
