"""``maedfer doctor``."""

import dataclasses
import json as json_text

__all__ = ["doctor"]

_MARKS = {"ok": "ok", "missing": "MISSING", "note": "-"}


def doctor(json: bool = False) -> int:
    """Say what is installed, whether prediction works, and which command mends what is missing.

    Exit code: 0 when prediction works, 1 when it does not; a missing extra is no failure.

    Args:
        json: print JSON, for programs.
    """
    from maedfer import __version__
    from maedfer.cli.console import plain
    from maedfer.doctor import examine, works

    checks = examine()
    good = works(checks)
    if json:
        content = {"maedfer": __version__, "works": good, "checks": [dataclasses.asdict(check) for check in checks]}
        print(json_text.dumps(content, indent=2))
        return 0 if good else 1
    print(f"maedfer {__version__}")
    section = ""
    for check in checks:
        kind = "extras" if check.section.startswith("extra ") else check.section
        if kind != section:
            section = kind
            print(f"\n{section}")
        print(f"  {_MARKS[check.state]:7}  {check.name}: {plain(check.found)}")
        if check.state != "ok" and check.remedy is not None:
            print(f"           -> {check.remedy}")
    print(f"\nprediction {'works' if good else 'does not work: mend what is MISSING above'}")
    return 0 if good else 1
