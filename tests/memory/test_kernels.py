"""What a card would run, on tensors that pretend to lie there."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from video_adapters.memory.allocator import CachingAllocator, most_alive
from video_adapters.memory.autocast import as_on_the_card
from video_adapters.memory.kernels import choose, cublas_workspaces, workspace
from video_adapters.memory.storage_log import Recorder


class Names(TorchDispatchMode):
    """The operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func._overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("capability", "dtype", "width", "masked", "kernel"),
    [
        ((8, 0), torch.float16, 64, False, "flash"),
        ((8, 9), torch.bfloat16, 128, False, "flash"),
        ((9, 0), torch.bfloat16, 128, False, "cudnn"),
        ((9, 0), torch.float16, 136, False, "flash"),  # cuDNN takes no wider heads than 128
        ((9, 0), torch.float16, 64, True, "efficient"),
        ((12, 0), torch.float16, 64, False, "flash"),
        ((8, 0), torch.float16, 64, True, "efficient"),  # flash takes no mask
        ((8, 0), torch.float32, 64, False, "efficient"),  # nor fp32
        ((7, 5), torch.float16, 64, False, "efficient"),
        ((6, 1), torch.float16, 64, True, "efficient"),
        ((7, 0), torch.float16, 20, False, "math"),  # 20 fp16 are no multiple of 16 bytes, as tensor cores read them
        ((6, 1), torch.float16, 20, False, "efficient"),  # without tensor cores
        ((8, 0), torch.float16, 256, False, "flash"),
        ((8, 0), torch.float16, 264, False, "efficient"),  # flash takes no wider heads than 256
        ((8, 0), torch.float32, 20, False, "efficient"),
        ((8, 0), torch.float32, 18, False, "math"),  # 18 fp32 are no multiple of 16 bytes
        ((7, 5), torch.float32, 18, False, "efficient"),  # its tensor cores read no fp32
    ],
)
def test_attention_is_chosen_by_capability_type_mask_and_head(
    capability: tuple[int, int], dtype: torch.dtype, width: int, masked: bool, kernel: str
) -> None:
    assert choose(capability, dtype, width, masked) == kernel


@pytest.mark.parametrize(("capability", "name"), [((6, 1), "efficient"), ((8, 6), "flash"), ((9, 0), "cudnn")])
def test_attention_runs_as_the_cards_kernel_forwards_and_backwards(capability: tuple[int, int], name: str) -> None:
    attention = nn.MultiheadAttention(64, 2, batch_first=True)
    with FakeTensorMode(allow_non_fake_inputs=True), as_on_the_card(capability), Names() as names:
        with torch.autocast("cpu", dtype=torch.float16):
            x = torch.zeros(2, 5, 64, requires_grad=True)
            y, _ = attention(x, x, x, need_weights=False)
        y.sum().backward()
    assert f"_scaled_dot_product_{name}_attention" in names.seen
    assert f"_scaled_dot_product_{name}_attention_backward" in names.seen


def test_a_mask_is_padded_to_rows_of_16_and_its_gradient_made_for_every_head() -> None:
    with FakeTensorMode(), as_on_the_card((6, 1)), Names() as names:
        q = torch.zeros(3, 2, 5, 8, requires_grad=True)
        mask = torch.zeros(2, 5, 5, requires_grad=True)
        F.scaled_dot_product_attention(q, q, q, attn_mask=mask).sum().backward()
        assert mask.grad is not None
        assert mask.grad.shape == (2, 5, 5)
    assert "constant_pad_nd" in names.seen


def test_a_mask_alone_gets_no_gradient_as_on_a_card() -> None:
    with FakeTensorMode(), as_on_the_card((6, 1)):
        q, mask = torch.zeros(3, 2, 5, 8), torch.zeros(2, 5, 5, requires_grad=True)
        with pytest.raises(RuntimeError, match="a mask gets its gradient only where"):
            F.scaled_dot_product_attention(q, q, q, attn_mask=mask)
        with torch.no_grad():
            F.scaled_dot_product_attention(q, q, q, attn_mask=mask)


def test_autocast_keeps_to_the_cards_lists_and_leaves_the_cpus_alone() -> None:
    x = torch.zeros(4, 8)
    norm, linear = nn.LayerNorm(8), nn.Linear(8, 8)

    def types() -> list[torch.dtype]:
        with torch.autocast("cpu", dtype=torch.float16):
            y = linear(x)
            return [t.dtype for t in (y, norm(y), y.softmax(-1), y.log_softmax(-1), y.sum(0), F.gelu(y), y + x)]

    half, full = torch.float16, torch.float32
    with FakeTensorMode(allow_non_fake_inputs=True), as_on_the_card((6, 1)):
        assert types() == [half, full, full, full, full, half, full]
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert types()[1] == half


def test_what_is_kept_on_the_host_is_not_on_the_card() -> None:
    with FakeTensorMode(), as_on_the_card((6, 1)):
        recorder = Recorder()
        with recorder, torch.autograd.graph.save_on_cpu(pin_memory=True):
            x = torch.zeros(1024, 1024, requires_grad=True)  # 4 MiB
            y = (x + 0).sin().sin().sin().sum()  # each keeps its input
        # x, and of the others the one that is read and the one that is written
        assert most_alive(recorder.log) == 3 * 4 * 2**20
        with recorder:
            y.backward()
        assert x.grad is not None
    assert torch.autograd.graph.save_on_cpu.__module__ == "torch.autograd.graph"


def test_the_backward_kernels_workspace_counts_while_they_run() -> None:
    """3 rows x 2 heads x 1 tile of 64 x 64 fp32 and 16 bytes = 98 400, rounded to 98 816; and 3 x 2 x 5 fp32."""

    def peak(with_workspace: bool, monkeypatch: pytest.MonkeyPatch) -> int:
        recorder = Recorder()
        with FakeTensorMode(), as_on_the_card((6, 1)), monkeypatch.context() as patch:
            if not with_workspace:
                patch.setattr("video_adapters.memory.storage_log.workspace", lambda func, args: [])
            with recorder:
                q = torch.zeros(3, 2, 5, 8, dtype=torch.float16, requires_grad=True)
                F.scaled_dot_product_attention(q, q, q).backward(torch.zeros(3, 2, 5, 8, dtype=torch.float16))
        return CachingAllocator().run(recorder.log).allocated

    patches = pytest.MonkeyPatch()
    assert peak(True, patches) - peak(False, patches) == 98_816 + 512


@pytest.mark.parametrize(
    ("name", "dtype", "width", "sizes"),  # of 3 x 2 heads with 70 queries
    [
        ("efficient", torch.float16, 64, [6 * 70 * 4, 6 * 2 * 1 * (64 * 64 * 4 + 16)]),
        ("efficient", torch.float16, 128, [6 * 70 * 4, 6 * 2 * 2 * (64 * 64 * 4 + 16)]),
        ("efficient", torch.float32, 64, [6 * 70 * 4, 6 * 2 * 1 * (64 * 64 * 4 + 16)]),
        ("flash", torch.float16, 40, [6 * 128 * 64 * 4, 6 * 128 * 4]),  # rows to 128, heads to multiples of 32
        ("cudnn", torch.float16, 40, [6 * 70 * 40 * 4, 6 * 70 * 4]),
    ],
)
def test_backward_kernels_sum_the_gradient_of_the_queries_in_a_workspace(
    name: str, dtype: torch.dtype, width: int, sizes: list[int]
) -> None:
    kernel = getattr(torch.ops.aten, f"_scaled_dot_product_{name}_attention_backward").default
    q = torch.empty(3, 2, 70, width, dtype=dtype, device="meta")
    assert workspace(kernel, (q, q, q, q, None, q)) == sizes


def test_matrix_products_keep_8_mib_or_from_hopper_on_32() -> None:
    assert cublas_workspaces((8, 9)) == [8 * 2**20 + 128 * 2**10] * 2
    assert cublas_workspaces((9, 0)) == [32 * 2**20] * 2


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "shape", [(8, 2364, 8, 64), (64, 12, 197, 64)], ids=["over time", "within frames"]
)  # of 8 clips in ViT-B/16
def test_attention_takes_the_memory_of_this_card_that_it_is_said_to_take(
    dtype: torch.dtype, shape: tuple[int, int, int, int]
) -> None:
    def attend(device: str) -> None:
        size, heads, length, width = shape
        tokens = [torch.zeros(size, length, heads, width, dtype=dtype, device=device) for _ in range(3)]
        y = F.scaled_dot_product_attention(*(part.requires_grad_().transpose(1, 2) for part in tokens))
        y.backward(torch.zeros_like(y))

    recorder = Recorder()
    with FakeTensorMode(), as_on_the_card(torch.cuda.get_device_capability()), recorder:
        attend("cpu")
    attend("cuda")  # what is made once
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    attend("cuda")
    measured = torch.cuda.max_memory_allocated() - before
    assert measured == pytest.approx(CachingAllocator().run(recorder.log).allocated, rel=0.03)
