"""Text towers of open_clip's networks: texts to features in the space that they share with images."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from huggingface_hub import constants as hub
from rich.progress import track
from torch import Tensor, nn

from video_adapters.commands.terminal import interactive
from video_adapters.model.encoders.pretrained import built
from video_adapters.model.encoders.published import check_name, is_open_clip
from video_adapters.model.encoders.weights import check_filled, hub_answers, open_clip_unheard

Tokenize = Callable[[list[str]], Tensor]
"""Texts to the numbers of their tokens: K texts -> (K, context length) int64."""

BATCH = 64  # texts at once


class TextTower:
    """An open_clip network as far as it reads texts.

    Args:
        net: the whole network; its image tower is given up.
        tokenize: its tokenizer.

    Attributes:
        log_scale: logarithm of the temperature's inverse, by which the network multiplies cosines.
        bias: what it adds to them then; 0 where it has none (CLIP).
    """

    def __init__(self, net: Any, tokenize: Tokenize) -> None:
        net.visual = nn.Identity()
        self._net = net.eval()
        self._tokenize = tokenize
        self.log_scale: float = net.logit_scale.item()
        self.bias: float = 0.0 if net.logit_bias is None else net.logit_bias.item()

    @torch.no_grad()
    def features(self, texts: Sequence[str], device: torch.device | str = "cpu") -> Tensor:
        """Of length 1, computed on a device: K texts -> (K, D) on the CPU.

        Raises:
            ValueError: for a tokenizer of another network.
        """
        tokens = self._tokenize(list(texts))
        if tokens.max() >= self._net.vocab_size:
            raise ValueError(
                f"the tokenizer numbers tokens up to {int(tokens.max())}, but the text tower knows "
                f"{self._net.vocab_size} of them: give head.tokenizer the folder of its own"
            )
        batches = track(tokens.split(BATCH), "Class names", disable=not interactive(), transient=True)
        self._net.to(device)
        return torch.cat([F.normalize(self._net.encode_text(batch.to(device)), dim=-1).cpu() for batch in batches])


def load_text_tower(
    encoder: "partial[nn.Module]",
    weights: str | None = None,
    allow_random: bool = False,
    download: str = "",
    cached_only: bool = False,
    tokenizer: str | None = None,
    **_: Any,
) -> TextTower:
    """The text tower of the network that `load_encoder` opens; what that function takes means the same here.

    `tokenizer` is the folder of one whose vocabulary does not come with open_clip; None: from the hub.

    Raises:
        ValueError: for a network without a text tower, a file without its weights, and a tokenizer out of reach.
    """
    check_name(encoder)
    expect_text_tower(encoder)
    name = str(encoder.keywords["model_name"])
    with torch.random.fork_rng(devices=[]):  # weights that are loaded are made at random first
        net: Any = built(encoder, weights, allow_random, download, cached_only)
    net.visual = nn.Identity()
    try:
        check_filled(net)
    except ValueError as error:
        raise ValueError(f"head=names needs the text tower, which model.weights={weights} lacks: {error}") from error
    with open_clip_unheard():
        return TextTower(net, _tokenizer(name, net.context_length, tokenizer))


def expect_text_tower(encoder: "partial[nn.Module]") -> None:
    """Refuses a network that knows no texts.

    Raises:
        ValueError: naming some that do.
    """
    if not is_open_clip(encoder):
        raise ValueError(
            f"head=names reads class names by the encoder's text tower, and {encoder.keywords.get('model_name')} of "
            "timm has none: take one of open_clip's (model=clip_vit_b16, siglip2_vit_b16, ...), or another head"
        )


def _tokenizer(name: str, context_length: int, folder: str | None) -> Tokenize:
    """A network's tokenizer, by open_clip: CLIP's comes with it, others from the hub or a folder.

    Raises:
        ValueError: for a folder where none is needed or none lies, and where the hub does not have it.
    """
    about = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    published = about.get("hf_tokenizer_name")
    if not published:
        if folder is not None:
            raise ValueError(f"head.tokenizer={folder}: the vocabulary of {name} comes with open_clip; give null")
        clip: Tokenize = open_clip.get_tokenizer(name, context_length=context_length)
        return clip
    source = published if folder is None else _folder(folder)
    settings = {"local_files_only": folder is not None or not hub_answers(), **about.get("tokenizer_kwargs", {})}
    try:
        tokenize: Tokenize = open_clip.tokenizer.HFTokenizer(
            str(source), context_length, tokenizer_mode=about.get("tokenizer_mode"), **settings
        )
    except ImportError as error:
        raise ValueError(f"the tokenizer of {name} needs another package: pip install transformers") from error
    except Exception as error:  # the hub's client and the readers of files fail in too many ways to list
        where = f"{hub.ENDPOINT} and its cache" if folder is None else folder
        why = " ".join(str(error).split()).split(". ")[0]
        raise ValueError(
            f"the tokenizer of {name} could not be had from {where} ({why}); fetch "
            f"tokenizer.json and tokenizer_config.json by hand from {hub.ENDPOINT}/{published} into a folder, then "
            "give head.tokenizer=FOLDER"
        ) from error
    return tokenize


def _folder(path: str) -> Path:
    """The folder of a tokenizer, or of one of its files.

    Raises:
        ValueError: it is not there.
    """
    given = Path(path).expanduser().absolute()
    if not given.exists():
        raise ValueError(f"head.tokenizer={path} is not there; expected a folder with tokenizer.json")
    return given if given.is_dir() else given.parent
