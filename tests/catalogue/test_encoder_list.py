"""The list of encoders that fit."""

import pytest

import models
from video_adapters.catalogue.encoder_list import config_rows, networks, print_encoders
from video_adapters.commands import command
from video_adapters.commands.config import config_names


def test_a_network_that_fits_is_listed_with_its_facts_and_its_tags_by_licence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["src/models.py", "--encoders", "Vit_Small_patch14_reg4"])
    monkeypatch.setattr(command, "run", lambda job: job())  # without its hold on the process's warnings
    models.main()
    lines = capsys.readouterr().out.splitlines()
    # 12 blocks (12 x 384^2 weights, 15 x 384 of biases, norms and scales), patches, prefix and 37 x 37 positions, norm
    params = 12 * (12 * 384**2 + 15 * 384) + (3 * 14**2 + 1) * 384 + (5 + 37**2) * 384 + 2 * 384
    facts = f"{params / 1e6:.1f} 14 518 5 class token apache-2.0 lvd142m".split()
    assert ["vit_small_patch14_reg4_dinov2", *facts] in [line.split() for line in lines]
    assert lines[-1] == "1 network fit, 0 do not"


def test_of_a_filter_it_is_said_why_networks_do_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    print_encoders("vit_base_mci_224.apple_mclip_lt")
    *_, counts, reason = capsys.readouterr().out.splitlines()
    assert counts == "0 networks fit, 1 do not"
    assert reason.startswith("  vit_base_mci_224: ")
    assert reason.endswith("only with one convolution for its patches")
    with pytest.raises(ValueError, match="no network of timm or open_clip has 'no such' in its name"):
        print_encoders("no such")


def test_all_libraries_and_families_are_looked_through() -> None:
    names = {build.keywords["model_name"] for build in networks("")}
    assert {"vit_base_patch16_224", "deit3_small_patch16_224", "swin_base_patch4_window7_224"} <= names
    assert {"vit_small_patch16_dinov3", "ViT-B-16", "ViT-B-16-SigLIP2"} <= names
    assert "resnet50" not in names


@pytest.mark.slow
def test_every_config_of_an_encoder_is_in_the_table_of_the_document() -> None:
    rows = {row[0].strip("`"): row[3:] for row in config_rows()}
    others = {"timm", "open_clip"} | {name for name in config_names("model") if name.startswith(("toy_", "shapes_"))}
    assert rows.keys() == set(config_names("model")) - others
    assert rows["c_radio_v3_vit_b16"][1:] == ["16", "512", "8", "class token", "nvidia-open-model-license"]
    assert rows["siglip2_vit_b16"][4:] == ["attention", "–"]
