"""Official checkpoints become ours: whole, scored, started from, and refused where something is unclear."""

import json
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from video_adapters.commands import command
from video_adapters.data.shapes.moving_shapes import MovingShapes
from video_adapters.model import checkpoint
from video_adapters.official import frozen_weights as official_weights
from video_adapters.official.recipe import PUBLISHED, compose_train, overrides_for, published_model
from video_adapters.official.request import Request, read_official
from video_adapters.official.split_checkpoint import library_weights, split_checkpoint
from video_adapters.trust import checkpoint_file

from helpers.official import BUFFERS, State, imported, rebuilt, swin, vit_clip, vit_imagenet, whole
from helpers.rounding import BLOCK, assert_rounded
from helpers.toy import SMALL, composed, run, score

VARIANTS: dict[str, tuple[Callable[[], State], dict[str, Any]]] = {
    "clip, one temporal adapter": (
        lambda: vit_clip(adapters=1),
        dict(temporal="all", temporal_in=None, scale=0.5, temporal_embedding=True, time_bias=False, final_norm=True),
    ),
    "imagenet, two temporal adapters": (
        lambda: vit_imagenet(adapters=2),
        dict(temporal="all", temporal_in="all", scale=1.0, temporal_embedding=True, time_bias=False, final_norm=True),
    ),
    "swin, absolute": (
        lambda: swin(absolute=True, times=3),
        dict(temporal="even", temporal_in=None, scale=0.5, temporal_embedding=True, time_bias=True, final_norm=False),
    ),
    "swin, trained tubelets": (
        lambda: swin(same=False),
        dict(temporal="even", temporal_in=None, scale=0.5, temporal_embedding=False, time_bias=True, final_norm=False),
    ),
}


def config_of(path: Path) -> Any:
    return OmegaConf.create(checkpoint.origin(checkpoint_file.read(path)).config)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_is_in_the_checkpoint_or_in_the_file_of_frozen_weights(variant: str, tmp_path: Path) -> None:
    make, settings = VARIANTS[variant]
    state = make()
    imported(tmp_path, {"state_dict": whole(state), "meta": {}})
    trained = checkpoint_file.read(tmp_path / "aim.ckpt")["state_dict"]
    frozen = load_file(tmp_path / "aim_encoder.safetensors")
    cfg = config_of(tmp_path / "aim.ckpt")
    assert {name: cfg.adapter[name] for name in settings} == settings
    sums = Counter(float(value.double().abs().sum()) for value in [*trained.values(), *frozen.values()])
    for name, value in state.items():
        if not name.endswith((*BUFFERS, "patch_embed.proj.weight")):
            assert sums[float(value.double().abs().sum())] == 1 + ("ln_post" in name), name
    rebuilt(tmp_path / "aim.ckpt")


def test_what_no_tensor_tells_can_be_said(tmp_path: Path) -> None:
    imported(tmp_path, vit_imagenet(), "data.num_workers=0", scale=0.25, heads=2, root="/videos/my shapes")
    cfg = config_of(tmp_path / "aim.ckpt")
    assert (cfg.adapter.scale, cfg.model.encoder.num_heads) == (0.25, 2)
    assert (cfg.data.root, cfg.data.num_workers) == ("/videos/my shapes", 0)


def test_an_imagenet_model_sees_pixels_as_the_release_trained_it(tmp_path: Path) -> None:
    imported(tmp_path, vit_imagenet())
    encoder = rebuilt(tmp_path / "aim.ckpt").backbone.encoder
    assert (encoder.mean, encoder.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_an_absolute_embedding_alike_at_all_times_is_a_shift_of_every_token(tmp_path: Path) -> None:
    """Swin's embedding enters right behind the norm of the patches, whose bias shifts every token as well."""
    state = swin(absolute=True, times=2)
    shift = state["temporal_embedding"][:, :1]
    state["temporal_embedding"] = shift.repeat(1, 2, 1)
    shifted = {name: value for name, value in state.items() if name != "temporal_embedding"}
    shifted["patch_embed.norm.bias"] = state["patch_embed.norm.bias"] + shift[0, 0]
    clips = torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    scores = []
    for name, content in (("embedded", state), ("shifted", shifted)):
        (tmp_path / name).mkdir()
        imported(tmp_path / name, content)
        scores.append(rebuilt(tmp_path / name / "aim.ckpt")(clips))
    assert_rounded(scores[0], scores[1], 4 * BLOCK)


# used


def shapes_root(shapes: list[str]) -> tuple[str, list[str]]:
    """The folder of the small data set, and the overrides that its reader needs."""
    root = next(o.removeprefix("data.root=") for o in shapes if o.startswith("data.root="))
    return root, [o for o in shapes if "data.annotations" in o]


def model_overrides(path: Path) -> list[str]:
    """What an imported model is composed by, as the import prints it."""
    cfg, official = config_of(path), split_checkpoint(torch.load(path.with_name("official.pth")))
    overrides = overrides_for(official, "moving_shapes", None, [])
    return [*overrides, f"model.weights={cfg.model.weights}"]


def started_from(path: Path, folder: Path, *data: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights of an imported checkpoint, and those of a run that starts from it and learns next to nothing."""
    rest = [o for o in [*SMALL, *data] if not o.startswith("model=")]
    start = [*model_overrides(path), *rest, f"init_from={path}", "optim.lr=1e-15", "test=false"]
    run(folder, *start, "trainer.max_steps=1")
    before, after = (checkpoint_file.read(file)["state_dict"] for file in (path, folder / "checkpoints/last.ckpt"))
    return before, after


def test_an_imported_checkpoint_is_scored_and_started_from(shapes: list[str], tmp_path: Path) -> None:
    root, annotations = shapes_root(shapes)
    (tmp_path / "classes.txt").write_text("\n".join(MovingShapes.class_names) + "\n")
    imported(tmp_path, vit_clip(), *annotations, root=root, classes=tmp_path / "classes.txt")
    path = tmp_path / "aim.ckpt"
    cpu = ["trainer.accelerator=cpu", "trainer.precision=32-true", "data.num_workers=0"]
    scores = score(tmp_path / "scores", f"checkpoint={path}", *cpu)
    assert scores["test/videos"] == 24
    assert 0 <= scores["test/top1"] <= 1

    before, after = started_from(path, tmp_path / "run", *annotations, f"data.root={root}")
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_without_a_head_it_is_started_from_but_not_scored(shapes: list[str], tmp_path: Path) -> None:
    root, annotations = shapes_root(shapes)
    imported(tmp_path, swin(classes=None), data=None)
    path = tmp_path / "aim.ckpt"
    assert not any(".head." in name for name in checkpoint_file.read(path)["state_dict"])
    with pytest.raises(ValueError, match=r"aim.ckpt was imported without a head and cannot be scored"):
        score(tmp_path / "scores", f"checkpoint={path}")
    before, after = started_from(path, tmp_path / "run", *annotations, f"data.root={root}")
    assert after.keys() - before.keys() == {
        "classifier.head.linear.weight",
        "classifier.head.linear.bias",
    }
    assert all(torch.equal(value, after[name]) for name, value in before.items())


# frozen weights


def test_frozen_weights_that_are_a_published_encoders_are_named_not_written(tmp_path: Path) -> None:
    state = vit_imagenet()
    published = split_checkpoint(state).frozen
    published["norm.weight"] = torch.ones(64)  # as it was before AIM trained it
    save_file(published, tmp_path / "published.safetensors")
    imported(tmp_path, state, published=tmp_path / "published.safetensors")
    assert not (tmp_path / "aim_encoder.safetensors").exists()
    assert config_of(tmp_path / "aim.ckpt").model.weights == str(tmp_path / "published.safetensors")
    norm = rebuilt(tmp_path / "aim.ckpt").backbone.encoder.final_norm
    assert torch.equal(norm.weight, state["ln_post.weight"])


def test_frozen_weights_that_differ_are_written_and_the_differences_said(tmp_path: Path, capsys: Any) -> None:
    state = swin()
    published = {name: value.contiguous() for name, value in split_checkpoint(state).frozen.items()}
    published["norm.bias"] = published["norm.bias"] + torch.eye(32)[3] / 2
    save_file(published, tmp_path / "published.safetensors")
    imported(tmp_path, state, published=tmp_path / "published.safetensors")
    assert torch.equal(load_file(tmp_path / "aim_encoder.safetensors")["norm.bias"], state["norm.bias"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "1 of 61 tensors differ from" in said
    assert "norm.bias; largest difference 0.5; written to" in said


def test_a_published_encoder_out_of_reach_is_said_and_the_weights_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def unreachable(official: Any, cfg: Any) -> None:
        raise ValueError("the hub cannot be reached")

    monkeypatch.setattr(official_weights, "published_model", lambda sizes: "clip_vit_b16")
    monkeypatch.setattr(official_weights, "compare", unreachable)
    imported(tmp_path, vit_clip())
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "not compared with the published encoder's (or say --published FILE): the hub cannot be reached" in said
    assert (tmp_path / "aim_encoder.safetensors").is_file()


LARGE: dict[str, Callable[[], State]] = {
    "clip_vit_b16": lambda: vit_clip(classes=174, frames=8, width=768, depth=12, grid=14, hollow=True),
    "clip_vit_l14": lambda: vit_clip(1, 400, 16, width=1024, depth=24, patch=14, grid=16, hollow=True),
    "imagenet21k_vit_b16": lambda: vit_imagenet(classes=400, frames=8, width=768, depth=12, grid=14, hollow=True),
    "swin_b": lambda: swin(400, False, 16, 2, True, 128, (2, 2, 18, 2), 4, 7, 56, True),
    "swin_t": lambda: swin(400, True, 16, 2, True, 96, (2, 2, 6, 2), 3, 7, 56, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("model", LARGE)
def test_sizes_of_a_published_encoder_choose_its_config(model: str) -> None:
    command.set_up()
    official = split_checkpoint(LARGE[model]())
    assert published_model(official.sizes) == model
    assert model in PUBLISHED.values()
    overrides = overrides_for(official, None, None, [])
    assert f"model={model}" in overrides
    cfg = compose_train([*overrides, "model.weights=null", "model.allow_random=true"])
    with torch.device("meta"):
        encoder = instantiate(cfg.model, _convert_="all")
    here = {name: tuple(value.shape) for name, value in library_weights(encoder, official.sizes).items()}
    assert here == {name: tuple(value.shape) for name, value in official.frozen.items()}
    assert tuple(dict.fromkeys(parts.num_heads for parts in encoder.blocks)) == official.sizes.num_heads


# refused


def test_files_in_the_way_stay_unless_told_otherwise(tmp_path: Path) -> None:
    imported(tmp_path, vit_clip())
    with pytest.raises(ValueError, match=r"aim.ckpt exists already: choose another name, or say --overwrite"):
        imported(tmp_path, vit_clip())
    (tmp_path / "aim.ckpt").unlink()
    with pytest.raises(ValueError, match=r"aim_encoder.safetensors exists already"):
        imported(tmp_path, vit_clip())
    imported(tmp_path, vit_clip(adapters=1), overwrite=True)
    assert config_of(tmp_path / "aim.ckpt").adapter.temporal_in is None


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit the model"):
        imported(tmp_path, vit_clip(), "adapter.ratio=0.5")
    assert [path.name for path in tmp_path.iterdir()] == ["official.pth"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"data": None}, r"12 classes, as no data set of the paper .* say --data NAME, one of .*moving_shapes"),
        ({"data": "ssv2"}, "head has 12 classes, but data=ssv2 has 174: say another --data"),
        ({"heads": 3}, "--heads 3"),
        ({"encoder_out": Path("weights.pt")}, "expected a name that ends in .safetensors"),
        ({"published": Path("none.safetensors")}, "none.safetensors reads as a file, but there is none"),
        ({"classes": Path("none.txt")}, "--classes: there is no file"),
    ],
)  # fmt: skip
def test_what_is_unclear_or_missing_is_asked_for(said: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        imported(tmp_path, vit_clip(), **said)
    assert [path.name for path in tmp_path.iterdir()] == ["official.pth"]


def test_a_config_in_which_frozen_weights_are_resampled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pos_embed is \(1, 5, 64\) in the .* was resampled to \(1, 10, 64\)"):
        imported(tmp_path, vit_imagenet(), "data.image_size=48")


@pytest.mark.parametrize("name", ["ln_post.weight", "cls_head.fc_cls.bias"])
def test_weights_that_are_no_numbers_are_refused(name: str, tmp_path: Path) -> None:
    content = vit_clip()
    content[name][0] = torch.nan
    with pytest.raises(ValueError, match=r"official.pth: .* holds values that are not finite numbers"):
        imported(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["official.pth"]


# files


def test_the_numbers_of_numpy_that_mmcv_leaves_in_meta_are_let_in(tmp_path: Path) -> None:
    scores = {"best_score": np.float64(0.83), "last": np.int64(3), "half": np.float32(1)}
    torch.save({"meta": {"epoch": 30, "hook_msgs": scores}, "state_dict": whole(vit_clip())}, tmp_path / "official.pth")
    assert split_checkpoint(read_official(tmp_path / "official.pth")).sizes.num_frames == 4


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"official.pth is refused: .* holds a pathlib.\w+, and reading that may run"):
        imported(tmp_path, {"state_dict": vit_clip(), "meta": Path("x")})


def test_what_is_no_official_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a checkpoint of this project already"):
        imported(tmp_path, {"state_dict": {}, "origin": {}})
    (tmp_path / "official.pth").write_text("none")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        read_official(tmp_path / "official.pth")


@pytest.mark.parametrize("kind", ["txt", "json"])
def test_class_names_come_from_a_file(kind: str, tmp_path: Path) -> None:
    names = [f"class {chr(110 - i)}" for i in range(12)]
    file = tmp_path / f"labels.{kind}"
    file.write_text("\n".join(names) if kind == "txt" else json.dumps({n: str(i) for i, n in enumerate(names)}))
    request = Request(checkpoint=tmp_path / "official.pth", out=tmp_path / "aim.ckpt", classes=file)
    assert request.class_names(12) == tuple(names)
    with pytest.raises(ValueError, match="has 12 names, the head 174 classes"):
        request.class_names(174)
    file.write_text("\n" if kind == "txt" else json.dumps({"one": "1", "two": "2"}))
    with pytest.raises(ValueError, match=r"has 0 names, the head 12 classes|a label of its own, from 0 up"):
        request.class_names(12)


def test_the_command_ends_mistakes_in_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).parents[2] / "src" / "import_official.py"
    torch.save(vit_clip(), tmp_path / "official.pth")
    command = [str(script), str(tmp_path / "official.pth"), "--out", str(tmp_path / "aim.ckpt"), "data.num_workers=0"]
    for more, message in ((["--data", "nonsense"], "there is no data=nonsense"), ([], "say --data NAME")):
        monkeypatch.setattr(sys, "argv", [*command, *more])
        with pytest.raises(SystemExit, match=message):
            runpy.run_path(str(script), run_name="__main__")
    monkeypatch.setattr(sys, "argv", [*command, "--data", "moving_shapes"])
    runpy.run_path(str(script), run_name="__main__")
    assert composed("model=toy_vit").data.num_workers == 1
    assert config_of(tmp_path / "aim.ckpt").data.num_workers == 0
