"""From a checkpoint of the official AIM release to one of ours."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.grammar import hydra_quote
from video_adapters.commands.outputs import check_file
from video_adapters.model import checkpoint
from video_adapters.model.build import build_classifier
from video_adapters.model.checkpoint import PREFIX
from video_adapters.model.finite_weights import refuse_not_finite
from video_adapters.official.frozen_weights import check_kept, place_weights
from video_adapters.official.import_summary import report
from video_adapters.official.recipe import compose_train, overrides_for
from video_adapters.official.request import Request, read_official
from video_adapters.official.split_checkpoint import Official, split_checkpoint
from video_adapters.trust import checkpoint_file


def import_official(request: Request) -> dict[str, Any]:
    """Writes one of our checkpoints, and a file of frozen weights unless they are a published encoder's; says so.

    Returns: the content of the checkpoint.

    Raises:
        ValueError: for a file that is no official checkpoint or fits nothing, naming what; for settings that contradict
            it or are missing; for files in the way, and places that cannot be written to.
    """
    request.refuse_overwriting(request.out)
    check_file(request.out, "--out")
    if request.encoder_out is not None:
        check_file(request.encoder_out, "--encoder-out")
    official = split_checkpoint(read_official(request.checkpoint), request.heads, request.image_size)
    refuse_not_finite(official.frozen | official.trained, str(request.checkpoint))
    names = request.class_names(official.sizes.num_classes)
    given = [*([f"data.root={hydra_quote(request.root)}"] if request.root else []), *request.overrides]
    overrides = overrides_for(official, request.data, request.scale, given)
    verdict, weights = place_weights(request, official, overrides)
    cfg = compose_train([*overrides, *weights])
    try:
        content = _content(cfg, official, names, request)
        checkpoint_file.write(content, request.out)
    except Exception:
        if str(request.encoder_file) in verdict:  # half of a pair, and in the way of the next attempt
            request.encoder_file.unlink()
        raise
    report(request, official, cfg, verdict, [*overrides, *weights])
    return content


def _content(cfg: DictConfig, official: Official, names: tuple[str, ...], request: Request) -> dict[str, Any]:
    """The checkpoint, proven on the model that its own config builds."""
    cfg.name, cfg.run_dir = request.out.stem, str(request.out.absolute().parent)
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    if cfg.data.num_classes is None:
        cfg.data.num_classes = 2  # a head of any size, which nothing is loaded into
    classifier = build_classifier(cfg)
    check_kept(classifier.backbone.encoder, official)
    origin = checkpoint.Origin(config, names, classifier.backbone.encoder.fingerprint)
    weights = {PREFIX + name: value.contiguous() for name, value in official.trained.items()}
    content = {"state_dict": weights, "origin": origin.as_dict()}
    checkpoint.check_same_model(classifier, origin, content, head=official.sizes.num_classes is not None)
    return content
