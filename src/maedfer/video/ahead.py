"""A stage of the pipeline in a thread of its own: the next items are made while the last ones are being used.

OpenCV, FFmpeg and PyTorch let other threads run while they work, so that decoding, the search for faces and the model
overlap on two cores although Python itself runs one thread at a time.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Generic, TypeVar

from maedfer.errors import ConfigError
from maedfer.video.threads import end_at_exit

__all__ = ["ahead"]

T = TypeVar("T")

# How long a consumer that stops early waits for the thread: the item in the making cannot be interrupted (a camera may
# never give another one), and the thread ends by itself after it.
_PATIENCE_S = 2.0


class _Buffer(Generic[T]):
    """A bounded queue between two threads that either side can shut."""

    def __init__(self, size: int) -> None:
        self._size, self._items = size, deque[T]()
        self._changed = threading.Condition()
        self._ended, self._shut = False, False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Wait for room; False when nobody will read any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._shut or len(self._items) < self._size)
            if not self._shut:
                self._items.append(item)
                self._changed.notify_all()
            return not self._shut

    def end(self, error: BaseException | None) -> None:
        """Nothing more comes; the reader gets what is left, then the error."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def shut(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._shut = True
            self._items.clear()
            self._changed.notify_all()

    def items(self) -> Generator[T, None, None]:
        """Everything put in, in order, until the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended)
                if not self._items:
                    break
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            # Not to be held while waiting for the next one: items may be pictures.
            del item
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error


def ahead(items: Iterable[T], size: int) -> Generator[T, None, None]:
    """The same items in the same order, made up to ``size`` items ahead by a thread that starts with the first request.

    An error of ``items`` is raised here, after the items before it. Closing or dropping the generator ends the thread
    after the item it is making, and closes ``items`` there (what was made ahead is lost).

    Args:
        items: is iterated in the other thread only; must not be used elsewhere meanwhile.
        size: items that may wait, at least 1; bounds memory.

    Raises:
        ConfigError: ``size`` is less than 1.
    """
    if size < 1:
        raise ConfigError(f"expected a size of at least 1 item to be made ahead, got {size}; 8 is common")
    return _consumed(items, size)


def _consumed(items: Iterable[T], size: int) -> Generator[T, None, None]:
    buffer = _Buffer[T](size)
    # A daemon, so that a source which never answers cannot keep the process from ending.
    thread = threading.Thread(target=_produce, args=(items, buffer), name="maedfer-ahead", daemon=True)
    # From here on the thread alone holds the source: it is closed where it ran.
    del items
    thread.start()
    end_at_exit(thread, buffer.shut)
    try:
        yield from buffer.items()
    finally:
        buffer.shut()
        # The garbage collector may drop a generator in any thread, even in the one it would wait for.
        if thread is not threading.current_thread():
            thread.join(_PATIENCE_S)


def _produce(items: Iterable[T], buffer: _Buffer[T]) -> None:
    try:
        source = iter(items)
        del items
        if isinstance(source, Generator):
            with closing(source):
                _pour(source, buffer)
        else:
            _pour(source, buffer)
    except BaseException as error:  # whatever it is, the consumer has to hear of it
        buffer.end(error)
    else:
        buffer.end(None)


def _pour(source: Iterable[T], buffer: _Buffer[T]) -> None:
    for item in source:
        if not buffer.put(item):
            return
