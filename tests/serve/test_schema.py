"""The description of the service against the service: whatever it allows to be sent, nothing breaks."""

from collections.abc import Iterator

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")

from hypothesis import HealthCheck, Phase, settings  # noqa: E402

from maedfer.serve import ServeSettings  # noqa: E402
from serve_process import Running, running  # noqa: E402

# schemathesis itself uses what its libraries are about to drop, and draws from `random` in its strategies.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = ServeSettings(workers=2, queue=1000, max_bytes=100_000, page=False)
    with running(tmp_path_factory.mktemp("private"), limits) as started:
        yield started


def send_what_is_described(house: Running, examples: int) -> None:
    schema = schemathesis.openapi.from_url(f"{house.address}/openapi.json")
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @_given(operation.as_strategy())
        def ask(case: "schemathesis.Case") -> None:
            nonlocal asked
            answer = case.call(base_url=house.address, timeout=30)
            asked += 1
            assert answer.status_code < 500, (case.method, case.path, answer.status_code)
            if answer.status_code >= 400:
                assert answer.headers["content-type"][0].startswith("application/problem+json")

        ask()
    assert asked >= 7 * examples // 2


def _given(strategy: object) -> object:
    from hypothesis import given

    return given(case=strategy)


def test_nothing_breaks(house: Running) -> None:
    send_what_is_described(house, 5)


@pytest.mark.slow
def test_nothing_breaks_for_long(house: Running) -> None:
    send_what_is_described(house, 100)
