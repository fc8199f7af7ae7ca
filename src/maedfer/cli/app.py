"""All commands under one name, and the exit codes."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType

from tyro.extras import SubcommandApp

from maedfer import __version__
from maedfer.cli.adapt import adapt
from maedfer.cli.calibrate import calibrate
from maedfer.cli.commands import demo, embed, predict
from maedfer.cli.console import complain, speaks
from maedfer.cli.doctor import doctor
from maedfer.cli.evaluate import aggregate, compare, evaluate
from maedfer.cli.export import export
from maedfer.cli.insight import attention, curves, map_embeddings, reconstruct
from maedfer.cli.laboratory import synth
from maedfer.cli.live import live
from maedfer.cli.pack import check_shards, pack
from maedfer.cli.prepare import prepare
from maedfer.cli.reproduce import reproduce_commands
from maedfer.cli.runs import finetune_commands, pretrain_commands
from maedfer.cli.serve import serve
from maedfer.errors import MaedferError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; ``None`` takes those of the process.

    Returns:
        Exit code: 0 done, 1 some videos failed (each named on stderr), 2 a deliberate error (one line on stderr) or
        wrong arguments, 130 interrupted, 143 terminated.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names of files need not be text
            stream.reconfigure(errors="backslashreplace")
    if arguments == ["--version"]:
        print(f"maedfer {__version__}")
        return 0
    try:
        with _ended_in_order():
            code = _app().cli(
                prog="maedfer",
                description="Which expression does each face in a video show, and when.",
                args=arguments,
            )
    except MaedferError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        if speaks():
            print("maedfer: interrupted", file=sys.stderr)
        return 130
    except SystemExit as stop:  # help, or arguments that do not parse
        return stop.code if isinstance(stop.code, int) else 2 if stop.code else 0
    return int(code)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM unwinds what runs, so that what lies aside or in temporary folders is removed on the way out."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _app() -> SubcommandApp:
    app = SubcommandApp()
    commands: tuple[Callable[..., int], ...] = (
        predict,
        live,
        embed,
        serve,
        demo,
        synth,
        prepare,
        pack,
        check_shards,
        evaluate,
        aggregate,
        compare,
        calibrate,
        adapt,
        export,
        reconstruct,
        attention,
        curves,
        doctor,
    )
    for command in commands:
        app.command(command)
    app.command(name="map")(map_embeddings)
    app.command(pretrain_commands(), name="pretrain", help="Pre-train a masked autoencoder by recipe.")
    app.command(finetune_commands(), name="finetune", help="Fine-tune a classifier by recipe.")
    app.command(reproduce_commands(), name="reproduce", help="Run the paper's protocol on one of its data sets.")
    return app
