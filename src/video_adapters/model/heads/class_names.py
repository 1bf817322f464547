"""Class names as a head: cosines between a clip's feature and those of texts about its classes."""

import math
import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from video_adapters.commands.wording import did_you_mean
from video_adapters.model.execution import without_autocast
from video_adapters.model.heads.head import Head

SLOT = "{}"  # of a prompt: where the class's words stand


class NamesHead(Head):
    """Cosine of the clip's mean feature with a row per class, scaled: (B, T, D) -> (B, num_classes).

    Frames are normalised, averaged and normalised again, as the prompts of a class are (Radford et al. 2021, section
    3.1.4). The rows start as the features of the class names, so that untrained it is the zero-shot classifier of the
    encoder's own authors. The temperature stays the encoder's.

    Args:
        width: D, of the space that images share with texts.
        num_classes: of the scores.
        prompts: texts about a class, with {} for its words.
        names: words of classes whose own names say little; the others are put into words by `words`.
        tokenizer: folder of the text tower's tokenizer; None: as the library has it.
        frozen: keeps the rows; what is below them comes to the names (Wu et al. 2023, Text4Vis).

    Raises:
        ValueError: for prompts without {}, or fewer than two classes.
    """

    log_scale: Tensor

    def __init__(
        self,
        width: int,
        num_classes: int,
        prompts: Sequence[str],
        names: Mapping[str, str] | None = None,
        tokenizer: str | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__(width, num_classes)
        if isinstance(prompts, str) or not prompts or any(SLOT not in str(prompt) for prompt in prompts):
            raise ValueError(
                f"head.prompts is {prompts!r}, expected texts, each with {SLOT} for the class's words, such as "
                "'a video of a person {}.'"
            )
        self.prompts, self.tokenizer = list(prompts), tokenizer
        self.names = {str(name): str(text) for name, text in (names or {}).items()}
        self.linear.requires_grad_(not frozen)
        self.register_buffer("log_scale", torch.tensor(math.log(1 / 0.07)))  # CLIP's start, up to `begin`

    def forward(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """In fp32 whatever autocast says: a scale of 100 makes differences of 8 bits classes' differences."""
        with without_autocast(features):
            clips = F.normalize(F.normalize(features.float(), dim=-1).mean(1), dim=-1)
            rows = F.normalize(self.linear.weight.float(), dim=-1)
            return self.log_scale.exp() * F.linear(clips, rows) + self.linear.bias

    def in_words(self, class_names: Sequence[str]) -> dict[str, str]:
        """The words of each class.

        Raises:
            ValueError: for words of a class that is none, and for numbers that are no names.
        """
        if unknown := sorted(self.names.keys() - set(class_names)):
            near = did_you_mean(unknown[0], class_names)
            raise ValueError(f"head.names has words for '{unknown[0]}', which is no class of the data set{near}")
        texts = {name: self.names.get(name, words(name)) for name in class_names}
        if mute := [name for name, text in texts.items() if not re.search(r"[^\W\d]", text)]:
            raise ValueError(f"class '{mute[0]}' has no words: give head.names, a mapping from classes to words")
        return texts

    @torch.no_grad()
    def begin(self, features: Tensor, log_scale: float, bias: float) -> None:
        """Starts as a text tower classifies: features of each class's prompts, of length 1, (num_classes, prompts, D).

        Raises:
            ValueError: where images have features of another width.
        """
        if features.shape[-1] != self.linear.in_features:
            raise ValueError(
                f"the text tower gives features of width {features.shape[-1]}, the image tower those of "
                f"{self.linear.in_features}: head=names needs model.pool=projected"
            )
        self.linear.weight.copy_(F.normalize(features.mean(1), dim=-1))
        self.linear.bias.fill_(bias)
        self.log_scale.fill_(log_scale)


def words(name: str) -> str:
    """A class name in words: ApplyEyeMakeup, brush_hair, "Holding [something]" -> "apply eye makeup" and so on."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.sub(r"[_\[\]]", " ", apart).split()).lower()
