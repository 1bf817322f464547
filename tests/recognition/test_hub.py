"""Shared models: what a checkpoint gives, in files that say nothing of their author and are read as data."""

import getpass
import json
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file

from video_adapters.commands.intervals import between
from video_adapters.model import checkpoint
from video_adapters.model.build import build_for
from video_adapters.recognition import Recognizer, export_request, hub, model_card
from video_adapters.recognition.agreement import noise
from video_adapters.recognition.hub import Request, request_of, share
from video_adapters.recognition.load import Loaded, load
from video_adapters.recognition.recorded_scores import Scores, recorded_scores
from video_adapters.trust import checkpoint_file, shared_folder
from video_adapters.trust.shared_folder import CARD, CONFIG, FROZEN, LEARNED, SUMS, checksum

from helpers.hostile import ARGUMENTS, CODE, hostile
from helpers.toy import score
from helpers.videos import numbered_frames, write_video

FIRST = "Repo-1.a/model_b"


@pytest.fixture(scope="module")
def best(trained: Path) -> Path:
    return trained / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def shared(best: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared folder with the encoder inside."""
    folder = tmp_path_factory.mktemp("shared") / "mine"
    share(Request(checkpoint=best, to=str(folder), encoder=True, license="mit"))
    return folder


@pytest.fixture
def copied(shared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shared, tmp_path / "copy"))


def video(folder: Path) -> Path:
    return write_video(folder / "clip.mp4", numbered_frames(12))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes a shared folder's config."""
    about = json.loads((folder / CONFIG).read_text())
    change(about)
    (folder / CONFIG).write_text(json.dumps(about))


def resum(folder: Path, name: str) -> None:
    rewrite(folder, lambda about: about[SUMS].update({name: checksum(folder / name)}))


@pytest.mark.parametrize("inside", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_shared_model_recognises_what_its_checkpoint_does(
    best: Path, shared: Path, tmp_path: Path, inside: bool
) -> None:
    if not inside:
        shared = tmp_path / "bare"
        share(Request(checkpoint=best, to=str(shared)))
    assert sorted(path.name for path in shared.iterdir()) == [CARD, CONFIG, *([FROZEN] if inside else []), LEARNED]
    expected = Recognizer.from_checkpoint(best, device="cpu")(video(tmp_path)).probabilities
    given = Recognizer.from_pretrained(shared, device="cpu")(tmp_path / "clip.mp4").probabilities
    np.testing.assert_allclose(given, expected, atol=1e-6)


@pytest.mark.slow
def test_the_encoder_inside_needs_no_other_weights(shared: Path, copied: Path) -> None:
    """What is inside counts, whatever the seed, which makes this toy's random encoder, says."""
    rewrite(copied, lambda about: about["config"].update(seed=77))
    clips = noise(load(shared).classifier.backbone, 1)
    with torch.no_grad():
        assert torch.equal(load(copied).classifier(clips), load(shared).classifier(clips))
    rewrite(copied, lambda about: about[SUMS].pop(FROZEN))
    with pytest.raises(ValueError, match="belongs to other frozen weights"):
        load(copied)


@pytest.mark.slow
def test_commands_take_a_shared_folder_for_a_checkpoint(trained: Path, shared: Path, tmp_path: Path) -> None:
    root = checkpoint_file.read(trained / "checkpoints" / "best.ckpt")["origin"]["config"]["data"]["root"]
    given = score(tmp_path, f"checkpoint={shared}", f"data.root={root}")
    expected = json.loads((trained / "run.json").read_text())["scores"]
    assert given["test/top1"] == pytest.approx(expected["test/top1"])


@pytest.mark.slow
def test_a_run_that_starts_from_it_keeps_its_own_encoder(shared: Path) -> None:
    content = checkpoint_file.read(shared)
    loaded = load(shared)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        other = build_for({"state_dict": {}}, loaded.cfg)
    own = checkpoint.origin_of(other, content["origin"]["config"], loaded.class_names)
    with pytest.raises(ValueError, match="belongs to other frozen weights"):
        checkpoint.load_start(other, own, content)


@pytest.mark.slow
def test_nothing_in_it_is_of_its_authors_machine(best: Path, tmp_path: Path) -> None:
    content = torch.load(best)
    config = content["origin"]["config"]
    config["data"]["root"] = "/home/alice/videos"
    config["data"]["report"] = "/home/alice/report.csv"
    config["data"]["annotations"] = {
        "_target_": "video_adapters.data.annotations.VideoTable", "_partial_": True, "file": "lists/videos.csv",
    }  # fmt: skip
    config["features"] = {"root": "/home/alice/features"}
    config["logger"] = {
        "wandb": {"_target_": "video_adapters.training.loggers.wandb_logger", "project": "alice-s project"}
    }
    torch.save(content, tmp_path / "alice.ckpt")
    share(Request(checkpoint=tmp_path / "alice.ckpt", to=str(tmp_path / "out"), encoder=True))
    words = ["alice", "/home", str(tmp_path), str(Path.cwd()), str(best.parent), "wandb"]
    # short ones are in any weights, and data.root is a key
    words += [name for name in (getpass.getuser(), platform.node()) if len(name) > 4]
    for path in (tmp_path / "out").iterdir():
        assert [word for word in words if word.encode() in path.read_bytes()] == [], path
    assert "lists/videos.csv" in (tmp_path / "out" / CONFIG).read_text()


def test_paths_are_but_their_last_part() -> None:
    given = {"a": ["/home/alice/x.csv", "lists/x.csv"], "b": {"c": "../alice/y.csv", "d": "~/z", "e": 0.5}}
    assert hub._without_paths(given) == {"a": ["x.csv", "lists/x.csv"], "b": {"c": "y.csv", "d": "z", "e": 0.5}}


@pytest.mark.slow
def test_the_cards_code_runs(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(Path(shutil.copytree(shared, tmp_path / "here")))
    video(Path.cwd())
    code = (shared / CARD).read_text().split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line]) <= 5
    exec(code, {})
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_card_has_what_the_hub_reads_and_what_people_ask(trained: Path, shared: Path) -> None:
    card = ModelCard.load(shared / CARD)
    about = card.data.to_dict()
    assert about["license"] == "mit"
    assert (about["library_name"], about["pipeline_tag"]) == ("video-adapters", "video-classification")
    scores = json.loads((trained / "run.json").read_text())["scores"]
    metrics = {one["name"]: one["value"] for one in about["model-index"][0]["results"][0]["metrics"]}
    assert metrics["top-1 accuracy"] == pytest.approx(scores["test/top1"], abs=1e-4)
    assert f"| top-1 accuracy | {between(scores['test/top1'], 12)} |" in card.text
    for words in ("of 12 videos", "8 frames x 1 clip x 1 crop", "had no part in the training", "encoder is inside"):
        assert words.lower() in card.text.lower()
    assert "- growing\n" in card.text


@pytest.fixture(scope="module")
def loaded(shared: Path) -> Loaded:
    return load(shared)


def facts(loaded: Loaded, **other: Any) -> model_card.Facts:
    given = {
        "title": "t", "source": ".", "cfg": loaded.cfg.copy(), "class_names": loaded.class_names, "thresholds": (),
        "learned": 1, "whole": 2, "fingerprint": "f" * 64, "encoder_inside": False, "encoder_licence": "",
        "licence": "mit", "scores": None,
    }  # fmt: skip
    return model_card.Facts(**{**given, **other})


def test_a_licence_that_is_not_free_is_in_the_front_matter_and_in_words(loaded: Loaded) -> None:
    given = facts(loaded, encoder_licence="dinov3-license")
    data = model_card.front_matter(given)
    assert (data.license, data.license_name) == ("other", "dinov3-license")
    assert "**The encoder's weights are under dinov3-license, not a free licence" in model_card.card(given)
    assert model_card.front_matter(facts(loaded, encoder_licence="apache-2.0", licence=None)).license == "apache-2.0"


def test_a_published_encoder_is_named_by_its_repository(loaded: Loaded) -> None:
    given = facts(loaded)
    given.cfg.model.encoder = {"_target_": "timm.create_model", "_partial_": True, "model_name": "vit_base_patch16_224"}
    given.cfg.model.weights = "augreg_in21k"
    assert model_card.front_matter(given).base_model == "timm/vit_base_patch16_224.augreg_in21k"
    assert "its library fetches `augreg_in21k` once, from timm/vit_base_patch16_224" in model_card.card(given)
    given.cfg.model.weights = "mine.safetensors"
    assert model_card.front_matter(given).base_model is None
    assert "it is the file `mine.safetensors` (fingerprint `ffffffffffff`)" in model_card.card(given)


def test_scores_of_videos_that_had_a_part_say_so_and_are_no_result(loaded: Loaded) -> None:
    scores = Scores("val_as_test", {"top1": 0.5}, 10)
    given = facts(loaded, scores=scores)
    assert model_card.front_matter(given).eval_results is None
    assert "**These videos chose the checkpoint: expect less of others.**" in model_card.card(given)
    assert "interval" in model_card.card(given)
    assert "interval" not in model_card.card(facts(loaded, scores=Scores("test", {"mAP": 0.5}, 10)))


def test_scores_are_the_measures_of_the_best_checkpoints_test(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    best = tmp_path / "checkpoints" / "best.ckpt"
    scores = {"val/top1": 0.9, "train_as_test/mAP": 0.5, "train_as_test/videos": 40.0, "train_as_test/not_finite": 0.0}
    (tmp_path / "run.json").write_text(json.dumps({"scores": scores}))
    assert recorded_scores(best) == Scores("train_as_test", {"mAP": 0.5}, 40)
    assert recorded_scores(best).rows() == {"mean average precision": "50.0%"}
    assert recorded_scores(best.with_name("last.ckpt")) is None
    for text in ("{", "[]", '{"scores": {"test/top1": "x", "test/videos": 3}}', '{"scores": {"test/top1": NaN}}'):
        (tmp_path / "run.json").write_text(text)
        assert recorded_scores(best) is None


def test_classes_are_text_with_their_thresholds(loaded: Loaded) -> None:
    names = ["<script>alert(1)</script>", "a|b *c*", "\x1b[2Jwave"]
    written = model_card.card(facts(loaded, class_names=names, thresholds=(0.25, 0.5, 0.75)))
    assert "<script>" not in written
    assert r"| a\|b \*c\* | 0.500 |" in written
    assert "\x1b" not in written


@pytest.mark.parametrize("changes", [CODE, ARGUMENTS], ids=["code", "arguments"])
def test_nothing_is_built_of_a_hostile_config(
    changes: Mapping[str, Any], copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "a secret")
    proof, honest = tmp_path / "proof", json.loads((copied / CONFIG).read_text())
    base = honest["config"] | {"callbacks": {"best": {}}, "logger": {}, "published": None}
    for name, change in changes.items():
        config = hostile(base, change, proof)
        (copied / CONFIG).write_text(json.dumps(honest | {"config": config}, default=lambda odd: list(odd)))
        if name in ("of another type", "a folder beside the run's", "a name that climbs"):
            continue  # json has no such type; a shared model has no callbacks of which something could be built
        with pytest.raises(ValueError, match="is refused, and nothing of it was run"):
            load(copied)
    assert not proof.exists()


def _link_out(folder: Path) -> None:
    shutil.move(folder / LEARNED, folder.parent / "elsewhere")
    (folder / LEARNED).symlink_to(folder.parent / "elsewhere")


def _garbage(folder: Path) -> None:
    (folder / LEARNED).write_bytes((2**40).to_bytes(8, "little") + b"{")
    resum(folder, LEARNED)


def _without(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors = dict(load_file(folder / name))
        del tensors[min(tensors)]
        save_file(tensors, folder / name)
        resum(folder, name)

    return change


def _other(name: str, value: torch.Tensor) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors = dict(load_file(folder / name))
        save_file({**tensors, min(tensors): value}, folder / name)
        resum(folder, name)

    return change


HOSTILE: Mapping[str, tuple[Callable[[Path], Any], str]] = {
    "damaged": (lambda folder: (folder / LEARNED).write_bytes(b"x"), "its checksum is not the one in config.json"),
    "no weights": (_garbage, "cannot be read as weights: SafetensorError"),
    "a link out": (_link_out, "is a link that leads out of its folder"),
    "a missing file": (lambda folder: (folder / FROZEN).unlink(), r"there is no file .*encoder\.safetensors"),
    "a folder for a file": (lambda folder: ((folder / CONFIG).unlink(), (folder / CONFIG).mkdir()), "it is no file"),
    "no json": (lambda folder: (folder / CONFIG).write_text("{"), "cannot be read as a shared model's config"),
    "no table": (lambda folder: (folder / CONFIG).write_text("[]"), "it is no table"),
    "deep": (lambda folder: (folder / CONFIG).write_text("[" * 10**5), "cannot be read as a shared model's config"),
    "endless": (lambda folder: (folder / CONFIG).write_text(" " * 2**21), "it has more than"),
    "files elsewhere": (
        lambda folder: rewrite(folder, lambda about: about[SUMS].update({"../x.safetensors": ""})),
        "does not say what its files of weights are",
    ),
    "no origin": (lambda folder: rewrite(folder, lambda about: about.pop("encoder")), "its origin has another form"),
    "an encoder in part": (_without(FROZEN), "belongs to other frozen weights|encoder inside does not fit"),
    "adapters in part": (_without(LEARNED), "the checkpoint does not fit the model: it lacks"),
    "an encoder of other shapes": (_other(FROZEN, torch.ones(3)), "the encoder inside does not fit the model"),
    "not finite": (_other(LEARNED, torch.full((3,), torch.nan)), "not finite numbers"),
    "of eight bits": (_other(LEARNED, torch.ones(3).to(torch.float8_e4m3fn)), "is no plain tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_folders_are_refused_in_a_sentence(copied: Path, name: str) -> None:
    change, message = HOSTILE[name]
    change(copied)
    if name == "an encoder in part":  # else the encoder of the seed is the very one
        rewrite(copied, lambda about: about["config"].update(seed=3))
    with pytest.raises(ValueError, match=message):
        load(copied)


def test_weights_larger_than_any_encoders_are_not_read(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_folder, "MOST_WEIGHTS", 100)
    with pytest.raises(ValueError, match=r"model\.safetensors has \d+ bytes, more than 100"):
        load(copied)


@pytest.mark.slow
def test_the_hubs_cache_is_full_of_links(shared: Path, tmp_path: Path) -> None:
    home = tmp_path / "models--me--mine"
    (home / "blobs").mkdir(parents=True)
    (home / "snapshots" / "abc").mkdir(parents=True)
    for number, path in enumerate(shared.iterdir()):
        shutil.copy(path, home / "blobs" / str(number))
        (home / "snapshots" / "abc" / path.name).symlink_to(f"../../blobs/{number}")
    assert load(home / "snapshots" / "abc").class_names == load(shared).class_names


def test_names_of_the_hub_and_folders_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for to, repository in {
        FIRST: FIRST, f"hf:{FIRST}": FIRST, "./me/mine": None, "out": None, "/a/b": None, "~/a": None, "a/b/c": None,
        "me/..": None,
    }.items():  # fmt: skip
        assert Request(checkpoint=tmp_path, to=to).repository == repository, to
    (tmp_path / "me" / "mine").mkdir(parents=True)
    assert Request(checkpoint=tmp_path, to="me/mine").repository is None
    assert Request(checkpoint=tmp_path, to="hf:me/mine").repository == "me/mine"
    (tmp_path / "me" / "mine" / "x").touch()
    with pytest.raises(ValueError, match="holds something: choose another, or say --overwrite"):
        Request(checkpoint=tmp_path, to="me/mine")
    with pytest.raises(ValueError, match="hf:mine is no name of a model on the hub"):
        Request(checkpoint=tmp_path, to="hf:mine")
    with pytest.raises(ValueError, match="nowhere is no folder here, and no name of a model on the hub"):
        Recognizer.from_pretrained("nowhere")


def test_options_of_other_formats_are_refused() -> None:
    words = {"checkpoint": Path("x"), "format": "hub", "to": None, "weights": None, "encoder": False, "public": False,
             "license": None, "overwrite": False, "out": None, "logits": False}  # fmt: skip
    with pytest.raises(ValueError, match="--format hub needs --to"):
        request_of(words)
    with pytest.raises(ValueError, match="--logits does not go with --format hub"):
        request_of(words | {"to": "a/b", "logits": True})
    assert request_of(words | {"to": "a/b", "public": True}).public


def test_an_export_of_a_model_of_the_hub_goes_into_the_current_folder() -> None:
    given = export_request.Request(checkpoint=Path("hf:me/mine"), format="torch_export")
    assert (given.file, given.about) == (Path("mine.pt2"), Path("mine.json"))


@pytest.mark.slow
def test_what_is_no_longer_inside_goes(best: Path, copied: Path) -> None:
    (copied / "mine.txt").touch()
    share(Request(checkpoint=best, to=str(copied), overwrite=True))
    assert sorted(path.name for path in copied.iterdir()) == [CARD, CONFIG, "mine.txt", LEARNED]
    load(copied)


def refused(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> HfHubHTTPError:
    return kind("no", response=httpx.Response(status, request=httpx.Request("GET", "https://hub")))


class FakeHub:
    """What is asked of huggingface_hub.HfApi, without a network."""

    endpoint = "https://hub"

    def __init__(self, there: set[str] | None = None, error: Exception | None = None) -> None:
        self.there, self.error = there or set(), error
        self.files: dict[str, bytes] = {}
        self.private: bool | None = None  # whether the repository that is there is so; None: there is none

    def __call__(self) -> "FakeHub":
        return self

    def repo_exists(self, name: str) -> bool:
        return name in self.there

    def create_repo(self, name: str, private: bool, exist_ok: bool) -> str:
        if self.error:
            raise self.error
        assert exist_ok or name not in self.there
        if self.private is None:  # of one that exists the hub ignores it
            self.private = private
        return f"{self.endpoint}/{name}"

    def model_info(self, name: str) -> Any:
        return SimpleNamespace(private=self.private)

    def upload_folder(self, repo_id: str, folder_path: Path, commit_message: str, delete_patterns: list[str]) -> None:
        kept = {name: content for name, content in self.files.items() if name not in delete_patterns}
        self.files = kept | {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeHub], FakeHub]:
    def reach(fake: FakeHub) -> FakeHub:
        monkeypatch.setattr(hub, "HfApi", fake)
        monkeypatch.setattr(hub, "hub_answers", lambda: True)
        monkeypatch.setattr(hub, "get_token", lambda: "hf_x")
        return fake

    return reach


@pytest.mark.slow
def test_a_model_goes_to_the_hub_and_is_its_owners_alone(
    best: Path, tmp_path: Path, reachable: Callable[[FakeHub], FakeHub]
) -> None:
    fake = reachable(FakeHub())
    share(Request(checkpoint=best, to="hf:me/mine"))
    assert fake.private is True
    assert sorted(fake.files) == [CARD, CONFIG, LEARNED]
    assert b'from_pretrained("me/mine")' in fake.files[CARD]
    for name, content in fake.files.items():
        (tmp_path / name).write_bytes(content)
    load(tmp_path)


def test_what_stands_against_an_upload_is_said_before_anything_is_loaded(
    tmp_path: Path, reachable: Callable[[FakeHub], FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(checkpoint=tmp_path / "nowhere.ckpt", to="hf:me/mine")
    reachable(FakeHub({"me/mine"}))
    with pytest.raises(ValueError, match="hf:me/mine exists already: choose another name, or say --overwrite"):
        share(request)
    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    with pytest.raises(ValueError, match="https://hub cannot be reached; --to FOLDER writes the same files"):
        share(request)
    monkeypatch.setattr(hub, "get_token", lambda: None)
    with pytest.raises(ValueError, match=r"no token of the hub on this machine \(hf auth login, or HF_TOKEN="):
        share(request)


def test_a_hub_that_refuses_is_told_in_a_sentence(
    best: Path, reachable: Callable[[FakeHub], FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "write_folder", lambda request, folder: {})
    reachable(FakeHub(error=refused(403)))
    with pytest.raises(ValueError, match=r"hf:me/mine: the hub refuses \(403\): its token may not write there"):
        share(Request(checkpoint=best, to="hf:me/mine"))
    for error in (ConnectionError("reset"), httpx.ConnectError("reset")):
        reachable(FakeHub(error=error))
        with pytest.raises(ValueError, match="the connection to the hub broke: reset"):
            share(Request(checkpoint=best, to="hf:me/mine"))


@pytest.mark.parametrize(("private", "public", "remedy"), [(False, False, "say --public"), (True, True, "leave --pub")])
def test_what_is_public_stays_so_and_what_is_not_too(
    best: Path,
    reachable: Callable[[FakeHub], FakeHub],
    monkeypatch: pytest.MonkeyPatch,
    private: bool,
    public: bool,
    remedy: str,
) -> None:
    monkeypatch.setattr(hub, "write_folder", lambda request, folder: {})
    fake = reachable(FakeHub({"me/mine"}))
    fake.private, fake.files = private, {"x": b""}
    stands = "private" if private else "public"
    with pytest.raises(ValueError, match=rf"hf:me/mine exists and is {stands}, .*: {remedy}"):
        share(Request(checkpoint=best, to="hf:me/mine", public=public, overwrite=True))
    assert fake.files == {"x": b""}


def test_a_model_is_fetched_once_and_its_files_alone(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def info(api: Any, name: str, **_: Any) -> Any:
        if name == "me/nothing":
            raise refused(404, RepositoryNotFoundError)
        if name == "me/offline":
            raise ConnectionError
        size = 2**40 if name == "me/large" else 5
        names = ["x.py"] if name == "me/other" else [CONFIG, LEARNED, "x.py"]
        return SimpleNamespace(sha="abc", siblings=[SimpleNamespace(rfilename=one, size=size) for one in names])

    def snapshot(name: str, **settings: Any) -> str:
        if settings.get("local_files_only"):
            raise ValueError
        asked.append((name, settings))
        return str(shared)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert checkpoint_file.read(shared_folder.shared("me/mine"))["origin"]["class_names"][0] == "moving right"
    assert asked[0] == ("me/mine", {"revision": "abc", "allow_patterns": [CONFIG, LEARNED, FROZEN]})
    for name, message in {
        "me/nothing": "has no such model, or only for those who may read it",
        "me/offline": "cannot be reached, and its cache on this machine does not hold the model",
        "me/large": "has more than 17179869184 bytes, and is not fetched",
        "me/other": "is no model of this project: there is no config.json",
    }.items():
        with pytest.raises(ValueError, match=message):
            checkpoint_file.read(f"hf:{name}")
