"""Recognises videos on a page of this machine's own: python src/demo.py RUN/checkpoints/best.ckpt --open"""

import argparse
import webbrowser
from typing import Any

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Serves a page for this machine's browser alone: drop a video, see its classes and when they are "
        "shown, and where the model looks. From another machine, by a tunnel: ssh -L 8000:127.0.0.1:8000 HOST"
    )
    add = parser.add_argument
    add("checkpoint", type=command.path, help="such as RUN/checkpoints/best.ckpt, a shared folder, hf:user/name")
    add("--port", type=int, default=8000, metavar="N", help="default: 8000; 0: any that is free")
    add("--open", action="store_true", help="open the page in the browser")
    add("--weights", type=command.path, metavar="FILE", help="where the frozen encoder's weights are now")
    add("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add("--views", metavar="NAME", help="of configs/views: ssv2, k400, k700, single, ... (default: as trained)")
    return parser


def serve(given: argparse.Namespace) -> Any:
    from video_adapters.recognition import Recognizer  # here, so that --help answers at once
    from video_adapters.recognition.demo_server import DemoServer

    recognizer = Recognizer.from_checkpoint(given.checkpoint, given.weights, given.device, given.views)
    with DemoServer(recognizer, str(given.checkpoint), given.port) as server:
        print(f"{server.address} (Ctrl-C ends it)", flush=True)
        if given.open:
            webbrowser.open(server.address)
        server.serve_forever()


def main() -> None:
    given = arguments().parse_args()
    command.run(lambda: serve(given))


if __name__ == "__main__":
    command.set_up()
    main()
