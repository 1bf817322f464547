"""Configs as somebody would write them who wants a command to run code, to write, or to fetch something."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Config = dict[str, Any]
Change = Callable[[Config, str], None]


def _deep(config: Config, proof: str) -> None:
    node = config["memory"]
    for _ in range(10):
        node["deeper"] = [{}]
        node = node["deeper"][0]
    node |= call(proof)


def _aliased(config: Config, proof: str) -> None:
    config["head"]["x"] = config["optim"]["x"] = config["published"] = call(proof)


def call(proof: str, **more: Any) -> Config:
    """A call of a shell, which leaves a file."""
    return {"_target_": "torch.utils.collect_env.run", "command": f"touch {proof}", **more}


def _set(key: str, value: Any) -> Change:
    def change(config: Config, proof: str) -> None:
        node: Any = config
        *parents, name = key.split(".")
        for parent in parents:
            node = node[parent]
        node[name] = value(proof) if callable(value) else value

    return change


CODE: Mapping[str, Change] = {
    "a target in the model": _set("model.x", call),
    "in the encoder": _set("model.encoder.pretrained_cfg_overlay", call),
    "in a list of the adapter": _set("adapter.temporal", lambda proof: [call(proof)]),
    "in place of ours": _set("head._target_", "subprocess.getoutput"),
    "in the data": _set("data.annotations", lambda proof: call(proof, _partial_=True)),
    "in the sampling": _set("data.sampling._target_", "os.system"),
    "in a callback": _set("callbacks.mine", call),
    "in a logger": _set("logger.mine", call),
    "in the trainer": _set("trainer.profiler", call),
    "where nothing is built": _set("published", call),
    "far down": _deep,
    "the same in three places": _aliased,
    "by _args_": _set("model.x", {"_target_": "os.mkdir", "_args_": ["proof"]}),
    "arguments of ours by _args_": _set("head._args_", [1]),
    "not called at once": _set("optim", lambda proof: call(proof, _partial_=True)),
    "by _convert_": _set("schedule._convert_", "object"),
    "a copy of a file": _set("loss.x", {"_target_": "shutil.copyfile", "src": "/etc/hostname", "dst": "proof"}),
    "our own by another road": _set("head._target_", "video_adapters.training.trainer.instantiate"),
    "one of ours elsewhere": _set(
        "model", {"_target_": "video_adapters.training.loggers.wandb_logger", "save_dir": "proof"}
    ),
    "a target that is no text": _set("head._target_", ["os.system"]),
    "an interpolation": _set("name", "${oc.env:SECRET}"),
    "an interpolation inside text": _set("data.root", "videos/${oc.env:SECRET,x}"),
    "an interpolation as a key": lambda config, proof: config.update({"${oc.env:SECRET}": 1}),
    "of another type": _set("seed", {1, 2}),
}
"""What is refused wherever a config is read."""

ARGUMENTS: Mapping[str, Change] = {
    "a network of the hub": _set("model.encoder.model_name", "hf-hub:timm/vit_tiny_patch16_224"),
    "a network of a folder": _set("model.encoder.model_name", "local-dir:/etc"),
    "a cache": _set("model.encoder.cache_dir", lambda proof: proof),
    "weights beside model.weights": _set("model.encoder.checkpoint_path", "/etc/passwd"),
    "weights on building": _set("model.encoder.pretrained", True),
    "weights of the overlay": _set("model.encoder.pretrained_cfg_overlay", {"file": "/etc/passwd"}),
    "a repository of the overlay": _set("model.encoder.pretrained_cfg_overlay", {"hf_hub_id": "some/one"}),
    "a function by its name": _set("model.encoder.norm_layer", "os.system"),
    "endless blocks": _set("model.encoder.depth", 10**9),
    "endless frames": _set("data.num_frames", 10**9),
    "frames and sides too many together": lambda config, proof: config["data"].update(num_frames=4096, image_size=4096),
    "views too many together": lambda config, proof: config["data"]["val_views"].update(clips=1000, resize=4096),
    "endless views": _set("data.test_views.clips", 10**9),
    "endless enlargement": _set("data.val_views.resize", 10**9),
    "endless processes": _set("data.num_workers", 10**6),
    "endless videos": _set("data.annotations.num_test", 10**12),
    "endless width": _set("adapter.ratio", 1e9),
    "endless classes": _set("data.num_classes", 10**12),
    "a text for a number": _set("data.image_size", "28"),
    "an unknown argument": _set("adapter.rank_of_all", 3),
    "lists outside of the data": _set("data.annotations.videos", "../../../etc"),
    "an absolute list": _set("data.annotations.file", "/etc/passwd"),
    "weights that are no path": _set("model.weights", ["a"]),
    "a folder to write to": _set("trainer.default_root_dir", "/elsewhere"),
    "a folder beside the run's": _set("callbacks.best.dirpath", lambda proof: f"{proof}/../.."),
    "a name that climbs": _set("callbacks.best.filename", "../../best"),
    "another's project": _set(
        "logger.wandb", {"_target_": "video_adapters.training.loggers.wandb_logger", "entity": "me"}
    ),
    "another folder for a logger": _set(
        "logger.tensorboard",
        {"_target_": "video_adapters.training.loggers.tensorboard_logger", "save_dir": "/elsewhere"},
    ),
    "a trainer's plugin": _set("trainer.plugins", []),
    "a head that is never built": _set("head._partial_", True),
    "an encoder that is built at once": _set("model.encoder._partial_", False),
    "no model": lambda config, proof: config.pop("model"),
    "a model without a target": _set("model", {}),
    "no memory": lambda config, proof: config.pop("memory"),
    "no precision": lambda config, proof: config["trainer"].pop("precision"),
}
"""What is refused where objects are built of a config."""


def hostile(config: Config, change: Change, proof: Path) -> Config:
    """A changed copy of a config."""
    changed = copy.deepcopy(config)
    changed.setdefault("published", None)
    change(changed, str(proof))
    return changed
