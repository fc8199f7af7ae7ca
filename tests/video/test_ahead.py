"""A stage in its own thread: same items, bounded, and gone when nobody reads any more."""

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.ahead import ahead


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


def threads() -> int:
    return sum(thread.name == "maedfer-ahead" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    gc.collect()
    assert until(lambda: threads() == 0)


class Source:
    """Counts upwards and remembers what became of it."""

    def __init__(self, stop: int = 10_000) -> None:
        self.stop, self.made, self.closed_in = stop, 0, ""

    def __iter__(self) -> Iterator[int]:
        try:
            while self.made < self.stop:
                self.made += 1
                yield self.made
        finally:
            self.closed_in = threading.current_thread().name


@given(st.lists(st.integers() | st.none()), st.integers(1, 5))
def test_same_items_in_the_same_order(items, size):
    assert list(ahead(items, size)) == items
    assert list(ahead(iter(items), size)) == items


def test_it_works_ahead_but_not_further_than_allowed():
    source = Source()
    items = ahead(source, 3)
    assert source.made == 0
    assert next(items) == 1
    # Three wait, one more is in the hand of the thread.
    assert until(lambda: source.made == 5)
    time.sleep(0.05)
    assert source.made == 5
    assert next(items) == 2
    assert until(lambda: source.made == 6)
    items.close()


def test_the_source_runs_beside_the_consumer():
    asked = threading.Event()

    def source():
        yield 1
        assert asked.wait(5)
        yield threading.current_thread().name

    items = ahead(source(), 2)
    assert next(items) == 1
    asked.set()
    assert next(items) == "maedfer-ahead"
    assert list(items) == []


@pytest.mark.parametrize("error", [DecodeError("broken"), KeyboardInterrupt()])
def test_an_error_comes_after_the_items_before_it(error):
    class Broken:
        def __init__(self):
            self.count = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.count += 1
            if self.count > 2:
                raise error
            return self.count

    items = ahead(Broken(), 4)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(type(error)) as caught:
        next(items)
    assert caught.value is error
    assert list(items) == []


def test_an_object_that_is_no_iterable_fails_where_it_is_read():
    class Never:
        def __iter__(self):
            raise DecodeError("cannot begin")

    with pytest.raises(DecodeError, match="begin"):
        next(ahead(Never(), 1))


@pytest.mark.parametrize("how", ["close", "drop", "throw", "break"])
def test_a_consumer_that_stops_early_ends_the_thread_blocked_in_put(how):
    source = Source()
    items = ahead(source, 2)
    assert next(items) == 1
    assert until(lambda: source.made == 4)
    if how == "close":
        items.close()
    elif how == "throw":
        with pytest.raises(ValueError, match="mine"):
            items.throw(ValueError("mine"))
    elif how == "break":
        for item in items:
            if item == 5:
                break
        del items
    else:
        del items
    assert source.closed_in == "maedfer-ahead"
    assert threads() == 0
    assert source.made <= 8


def test_never_read_means_never_begun():
    source = Source()
    items = ahead(source, 2)
    assert threads() == 0
    items.close()
    assert (source.made, list(items)) == (0, [])


def test_stages_can_be_chained_and_end_together():
    source = Source()
    items = ahead((2 * item for item in ahead(source, 2)), 2)
    assert [next(items) for _ in range(20)] == list(range(2, 42, 2))
    assert threads() == 2
    items.close()
    assert until(lambda: threads() == 0)
    assert source.closed_in == "maedfer-ahead"
    chained = ahead(ahead(Source(100), 1), 1)
    assert list(chained) == list(range(1, 101))


def test_a_source_that_hangs_does_not_hold_the_consumer_for_long(monkeypatch):
    monkeypatch.setattr("maedfer.video.ahead._PATIENCE_S", 0.05)
    release = threading.Event()

    def camera():
        yield 1
        release.wait(10)

    items = ahead(camera(), 2)
    assert next(items) == 1
    began = time.monotonic()
    items.close()
    assert time.monotonic() - began < 2
    release.set()


def test_room_for_nothing_is_refused():
    with pytest.raises(ConfigError, match="size"):
        ahead([1], 0)


def test_a_stream_left_open_does_not_abort_the_process_at_its_end() -> None:
    """A daemon inside OpenCV's C++ when the interpreter goes would."""
    code = """
import cv2, numpy as np
from maedfer.video.ahead import ahead
def work():
    image = np.zeros((900, 900, 3), np.uint8)
    while True:
        yield cv2.GaussianBlur(image, (0, 0), 9)
left_open = ahead(work(), 1)
next(left_open)
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
