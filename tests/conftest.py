"""How tests are shared out: what is made once a module is not made once a process."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file that share a fixture on one worker of xdist's."""
    for item in items:
        known = getattr(item, "_fixtureinfo", None)
        used = [] if known is None else [found[-1].scope for found in known.name2fixturedefs.values()]
        if "module" in used and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
