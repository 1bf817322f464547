"""QuickGELU as silu against its definition."""

import torch

from video_adapters.model.encoders.activation import QuickGelu


def test_it_is_x_sigmoid_1702_x_and_so_is_its_gradient() -> None:
    x = torch.linspace(-8, 8, 1001, dtype=torch.float64, requires_grad=True)
    y = QuickGelu()(x)
    torch.testing.assert_close(y, x * torch.sigmoid(1.702 * x))
    assert torch.autograd.gradcheck(QuickGelu(), (x,))


def test_it_keeps_its_input_and_nothing_else() -> None:
    x = torch.randn(3, 5, requires_grad=True)
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved) or saved, lambda saved: saved):
        QuickGelu()(x)
    assert [saved.data_ptr() for saved in kept] == [x.data_ptr()]
