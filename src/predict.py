"""Recognises videos: python src/predict.py RUN/checkpoints/best.ckpt clip.mp4 folder '*.webm'"""

import sys

from video_adapters.commands import command
from video_adapters.commands.predict_arguments import arguments, parsed

LIVE = ("smoothing", "enter", "leave", "shortest", "timeout", "give_up", "jsonl")
SHARED = ("checkpoint", "videos", "weights", "device", "views", "window", "stride", "fps", "annotate")


def main() -> None:
    given = vars(parsed(sys.argv[1:]))
    is_live, settings = given.pop("live"), {name: given.pop(name) for name in LIVE}
    wrong = given.keys() - SHARED if is_live else LIVE
    for name in sorted(wrong):
        if (given | settings)[name] != arguments().get_default(name):
            kind = "whole videos, not for --live" if is_live else "streams: give --live too"
            option = {"lists": "list"}.get(name, name.replace("_", "-"))
            raise SystemExit(f"--{option} is for {kind}")
    if is_live:
        from video_adapters.recognition.live import live, request_of  # here, so that --help answers at once

        command.run(lambda: live(request_of({name: given[name] for name in SHARED} | settings)))
        return
    from video_adapters.recognition.predict import Request, predict

    done = command.run(lambda: predict(Request(**given)))
    raise SystemExit(int(bool(done.unread or done.uncopied)))


if __name__ == "__main__":
    command.set_up()
    main()
