"""Plans of toy experiments for made-up cards: what is chosen, kept, printed and refused."""

import logging
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import config_names
from video_adapters.memory.allocator import MIB, CachingAllocator, Event, Peak
from video_adapters.memory.search import Option
from video_adapters.memory.step import Trace
from video_adapters.model.build import build_outline
from video_adapters.training.planning.gpus import gpu_of, listed_gpus, num_devices, this_gpu
from video_adapters.training.planning.plan import anchors, make_plan, planned, print_plan
from video_adapters.training.planning.plan_table import report
from video_adapters.training.planning.suggestions import suggestions
from video_adapters.training.planning.trace import half_type, trace_experiment

from helpers.toy import CONFIGS, SMALL, composed, run

TOY = ["model=toy_vit", "data.image_size=256", "data.num_frames=16", "trainer.precision=16-mixed"]
TOY += ["batch.per_step=8", "batch.per_device=2", "model.encoder.depth=2"]
"""Large frames cost nothing here, and make a few MiB more or less visible beside the workspaces; blocks cost time."""
DEEP = [*TOY, "model.encoder.depth=4"]


def gpu(free: float) -> str:
    """The override for a card with so many MiB to plan with."""
    return f"gpu.memory={0.5 + (free + 0.5) / 1024 / 0.95}"


def reserved(cfg: DictConfig, clips: int, checkpointed: int) -> float:
    """MiB of a trace of just that."""
    trace = trace_experiment(cfg, gpu_of(cfg), clips, checkpointed)
    return CachingAllocator().run(trace.steps(cfg.batch.per_step // clips)).reserved / MIB


def test_a_card_with_room_takes_all_clips_at_once() -> None:
    cfg = composed(*TOY, gpu(2000))
    best = make_plan(cfg, gpu_of(cfg)).best()
    assert best
    assert (best.clips, best.passes, best.checkpointed) == (8, 1, 0)
    assert best.peak.reserved / MIB == reserved(cfg, 8, 0)


def test_a_smaller_one_takes_the_quickest_that_fits_and_the_devices_share_the_step() -> None:
    cfg = composed(*TOY, gpu(2000), "trainer.devices=2")
    room = reserved(cfg, 2, 0)
    plan = make_plan(cfg, gpu_of(composed(*TOY, gpu(room))))
    best, options = plan.best(), plan.options()
    assert best
    assert best.traced
    fitting = [option for option in options if option.peak.reserved <= room * MIB]
    assert best.seconds == min(option.seconds for option in fitting)
    assert len(fitting) < len(options)
    assert {option.clips * option.passes for option in options} == {4}


def test_stages_end_where_the_slope_of_the_peaks_changes() -> None:
    assert anchors((12,), 0) == [0, 11]
    assert anchors((12,), 1) == [1, 11]
    assert anchors((2, 2, 18, 2), 0) == [0, 2, 4, 22, 23]
    assert anchors((2, 2, 2, 1), 1) == [1, 2, 4, 6]
    assert anchors((1,), 1) == [1]


@pytest.mark.slow
def test_the_end_of_every_stage_is_considered() -> None:
    cfg = composed(*TOY[1:-1], "model=toy_swin", "data.image_size=64", "batch.per_step=2", gpu(2000))
    depths = build_outline(cfg).backbone.encoder.depths
    assert set(anchors(depths, 0)) <= {option.checkpointed for option in make_plan(cfg, gpu_of(cfg)).options()}


@pytest.mark.slow
def test_checkpointing_and_less_precision_lower_the_peak() -> None:
    cfg = composed(*DEEP, gpu(2000))
    peaks = [CachingAllocator().run(trace_experiment(cfg, gpu_of(cfg), 8, k).steps(1)).allocated for k in (0, 3)]
    assert peaks[0] > peaks[1] * 1.5
    full = composed(*DEEP, gpu(2000), "trainer.precision=32-true")
    assert CachingAllocator().run(trace_experiment(full, gpu_of(full), 8, 0).steps(1)).allocated > peaks[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "model"),
    [
        ("aim_ssv2", "toy_clip"),
        ("aim_swin_k400", "toy_swin"),
        ("full_tuning_ssv2", "toy_vit"),
        ("video_swin_k400", "toy_swin"),
    ],
)
def test_every_kind_of_method_and_family_can_be_rehearsed(experiment: str, model: str) -> None:
    cfg = composed(f"experiment={experiment}", f"model={model}", "data.image_size=64", gpu(900))
    trace = trace_experiment(cfg, gpu_of(cfg), 2, 1)
    assert trace.backward
    assert trace.evaluation
    assert sum(work.flops for work in trace.work) > 0


@pytest.mark.slow
def test_where_nothing_fits_it_says_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    cfg = composed(*DEEP, "data.num_frames=32", gpu(2000))
    least = reserved(cfg, 1, 3)
    half = composed(*DEEP, "data.num_frames=16", gpu(2000))
    room = reserved(half, 1, 3)
    assert room < least
    cfg = composed(*DEEP, "name=toy", "data.num_frames=32", gpu(room))
    with pytest.raises(ValueError, match=r"nothing fits .* What would fit: .*data\.num_frames=16") as error:
        print_plan(cfg, [])
    assert "too large" in capsys.readouterr().out
    assert "even 1 clip at a time" in str(error.value)


class Rehearsed:
    """Traces that reserve 160 MiB, half of it with nested checkpoints, as with less precision or half the frames."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool, bool]] = []  # blocks, whether an update is given, whether it is evaluated

    def __call__(self, cfg: Any, gpu: Any, clips: int, blocks: int, update: list[Event] | None, scored: bool) -> Trace:
        self.asked.append((blocks, update is not None, scored))
        memory = cfg.memory
        halves = [
            memory.checkpoint_nested and memory.offload,
            memory.residual_dtype == "auto",
            cfg.data.num_frames < 16,
        ]
        held = Event(1, 160 * MIB // 2 ** sum(halves))
        evaluation = [Event(2, 30 * MIB)] if scored and memory.residual_dtype == "auto" else []
        return Trace(clips, [held], [], [], update or [Event(3, MIB)], evaluation, [])


NESTED, LEAN = "memory.checkpoint_nested=true memory.offload=true", "memory.residual_dtype=auto"
HALVED = "data.num_frames=8"


@pytest.mark.parametrize(
    ("free", "precision", "offered"),
    [
        (90, "16-mixed", [NESTED, HALVED]),  # where less precision does not, as evaluation shows
        (120, "16-mixed", [NESTED, LEAN, HALVED]),
        (60, "16-mixed", [f"{NESTED} {HALVED}"]),
        (75, "16-mixed", [f"{NESTED} {LEAN}", f"{NESTED} {HALVED}", f"{LEAN} {HALVED}"]),
        (90, "32-true", [NESTED, HALVED]),
        (30, "32-true", []),
    ],
)
def test_of_what_would_fit_the_least_changes_are_offered_more_checkpointing_first(
    monkeypatch: pytest.MonkeyPatch, free: float, precision: str, offered: list[str]
) -> None:
    rehearsed = Rehearsed()
    monkeypatch.setattr("video_adapters.training.planning.suggestions.trace_experiment", rehearsed)
    cfg = composed("model=toy_vit", "adapter=none", "data.num_frames=16", f"trainer.precision={precision}", gpu(free))
    found = [changes for changes, _ in suggestions(cfg, gpu_of(cfg), 2, 3, update=[Event(3, MIB)])]
    assert found == offered
    assert {blocks for blocks, _, _ in rehearsed.asked} <= {2, 3}
    assert [given for _, given, _ in rehearsed.asked].count(False) == 1, "the model of half the frames is another"
    if not offered:
        assert rehearsed.asked == [(3, False, False)]


def test_automatic_planning_changes_the_config_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    cfg = composed(*TOY, gpu(2000), "memory.plan=auto")
    with caplog.at_level(logging.INFO):
        changed = planned(cfg)
    assert (changed.batch.per_device, changed.memory.checkpoint_blocks, changed.batch.per_step) == (8, 0, 8)
    assert changed.callbacks.memory_check.predicted / MIB == reserved(cfg, 8, 0)
    assert "batch.per_device=8 memory.checkpoint_blocks=0" in caplog.text
    assert cfg.batch.per_device == 2, "the config that was given is another"


def test_figures_of_small_experiments_are_in_small_units(capsys: pytest.CaptureFixture[str]) -> None:
    cfg = composed("gpu.memory=11", "name=toy")
    small = Option(1, 8, 0, Peak(30 * MIB, 40 * MIB), 7 * 10**9, 0.012, traced=True)
    large = Option(8, 1, 0, Peak(1536 * MIB, 2048 * MIB), 7 * 10**12, 1.25, traced=False)
    report(cfg, gpu_of(cfg), [small, large], small)
    rows = [re.sub(r"[^\w.~]+", " ", line).strip() for line in capsys.readouterr().out.splitlines()]
    assert "1 x 8 0 30 MiB 40 MiB 7 GFLOP 12 ms chosen" in rows
    assert "8 x 1 0 ~1.5 GiB ~2.0 GiB 7 TFLOP 1.2 s fits" in rows


def test_without_a_card_there_is_nothing_to_plan_for(caplog: pytest.LogCaptureFixture) -> None:
    cfg = composed(*TOY, "memory.plan=auto", "trainer.accelerator=cpu")
    with caplog.at_level(logging.INFO):
        assert planned(cfg) == cfg
    assert "there is no GPU to plan for, so batch.per_device=2" in caplog.text
    unasked = composed(*TOY, gpu(2000))
    assert planned(unasked) is unasked


def test_other_plans_and_precisions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"memory\.plan is greedy, expected auto or null"):
        planned(composed(*TOY, "memory.plan=greedy"))
    with pytest.raises(ValueError, match="planned for 16-mixed, bf16-mixed and 32-true"):
        planned(composed(*TOY, gpu(2000), "memory.plan=auto", "trainer.precision=16-true"))
    with pytest.raises(ValueError, match=r"batch\.per_step=8 clips do not divide over 3 devices"):
        planned(composed(*TOY, gpu(2000), "memory.plan=auto", "trainer.devices=3"))
    with pytest.raises(ValueError, match=r"memory\.checkpoint_blocks is 13, but the encoder has \d+ blocks"):
        planned(composed(*TOY, gpu(2000), "memory.plan=auto", "memory.checkpoint_blocks=13"))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("memory.compile=true", r"needs a card of compute capability 7\.0; this one has 6\.1"),
        ("memory.frozen_dtype=bfloat16", r"comes to float16 on GeForce GTX 1080 Ti; memory\.frozen_dtype=auto"),
        ("memory.residual_dtype=bfloat16", r"comes to float16 on GeForce GTX 1080 Ti; memory\.residual_dtype=auto"),
    ],
)
def test_what_a_run_on_the_card_would_refuse_is_not_planned(override: str, sentence: str) -> None:
    toy = ["model=toy_vit", "model.encoder.depth=1", "data.image_size=64", "trainer.precision=bf16-mixed"]
    cfg = composed(*toy, override, "gpu=gtx1080ti")
    with pytest.raises(ValueError, match=sentence):
        make_plan(cfg, gpu_of(cfg))
    assert trace_experiment(cfg, gpu_of(composed("gpu=rtx3090")), 1, 0, scored=False).backward


@pytest.mark.slow
def test_a_run_trains_by_its_plan_and_goes_on_by_it(
    shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*shapes, "memory.plan=auto", gpu(2000), "callbacks.last.every_n_steps=1", "trainer.max_steps=2"]
    run(tmp_path, *overrides, "batch.per_device=2", "test=false")
    config: Any = OmegaConf.load(tmp_path / "config.yaml")
    assert (config.batch.per_device, config.memory.checkpoint_blocks) == (8, 0)
    assert config.callbacks.memory_check.predicted > 0
    # on whatever card, the run that goes on keeps to what it was started with
    monkeypatch.setattr("video_adapters.training.planning.plan.make_plan", None)
    run(tmp_path, f"resume={tmp_path}", "trainer.max_steps=3", "test=false")
    config = OmegaConf.load(tmp_path / "config.yaml")
    assert config.batch.per_device == 8


@pytest.mark.parametrize(("given", "devices"), [("4", 4), ("'2'", 2), ("[0,2,3]", 3)])
def test_devices_are_counted_over_machines(given: str, devices: int) -> None:
    assert num_devices(composed(f"trainer.devices={given}", "trainer.num_nodes=2")) == 2 * devices


def test_devices_that_a_machine_without_gpus_should_count_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"trainer\.devices is auto: say how many"):
        num_devices(composed("trainer.devices=auto"))


def test_half_precision_follows_the_card() -> None:
    for precision, name, expected in [
        ("16-mixed", "a10", torch.float16),
        ("bf16-mixed", "a10", torch.bfloat16),
        ("bf16-mixed", "gtx1080ti", torch.float16),
        ("32-true", "a10", None),
    ]:
        cfg = composed(*TOY, f"gpu={name}", f"trainer.precision={precision}")
        assert half_type(cfg, gpu_of(cfg)) is expected


def test_every_known_card_composes_and_has_its_facts() -> None:
    names = set(config_names("gpu")) - {"this"}
    assert {"gtx1080ti", "rtx2080ti", "t4", "v100_16gb", "v100_32gb", "rtx3060", "rtx3090", "rtx4090"} < names
    assert {"a10", "a100_40gb", "a100_80gb", "h100"} < names
    assert {gpu_of(composed(f"gpu={name}")) for name in names} == set(listed_gpus())


def test_a_card_of_given_memory_counts_as_the_oldest() -> None:
    made_up = gpu_of(composed("gpu.memory=11"))
    assert (made_up.memory, made_up.capability, made_up.name) == (11, 6.1, "a card of 11 GiB")
    assert gpu_of(composed("gpu=rtx3090", "gpu.memory=20")).capability == 8.6


def test_this_machines_card_is_its_smallest_with_the_rates_of_the_most_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        def __init__(self, gib: float) -> None:
            self.name, self.total_memory, self.major, self.minor = "RTX A5000", int(gib * 2**30), 8, 6

    gpus = [Properties(47.5), Properties(23.6)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: gpus[i])
    mine = this_gpu()
    assert (mine.name, mine.version) == ("RTX A5000", (8, 6))
    assert mine.memory == pytest.approx(23.6)
    assert mine.fp32 == gpu_of(composed("gpu=rtx3090")).fp32


def test_without_a_gpu_a_card_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"no GPU to plan for: give gpu=NAME \(a10, .*\), or gpu.memory=11"):
        gpu_of(composed())


@pytest.mark.slow
def test_the_command_prints_the_table_and_the_command_to_run() -> None:
    words = ["experiment=aim_ssv2", *(o for o in SMALL if o.startswith("model=")), "gpu=gtx1080ti", "batch.per_step=4"]
    done = subprocess.run([sys.executable, "src/plan.py", *words], cwd=CONFIGS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"4 x 1 .* 0 .* chosen", done.stdout)
    last = shlex.split(done.stdout.strip().splitlines()[-1])
    assert last[:2] == ["python", "src/train.py"]
    expected = ["experiment=aim_ssv2", "model=toy_vit", "batch.per_step=4"]
    assert last[2:] == [*expected, "batch.per_device=4", "memory.checkpoint_blocks=0"]
    assert composed(*last[2:]).batch.per_device == 4
