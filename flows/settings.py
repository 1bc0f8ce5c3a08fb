"""What Prefect is told before it is imported: nothing leaves the machine, and nothing but ours is on the terminal.

Only defaults: what the user has set in the environment stands. Prefect reads the environment when it is imported, and
hands it on to the server that it starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

DEFAULTS: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it calls an analytics host even with analytics off
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_API_URL": "/api",  # else pages of a server at another port ask port 4200
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # a new database on a slow machine: 26 s seen
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",  # until a run that waits for another asks again
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",  # receipts are the only memory
}

# The console's handler, not the level: the run page keeps the log, the terminal hears nothing, not even the traceback
# that Prefect logs for a failed run (the error itself is raised, and told once). The server inherits it.
SILENCE: Mapping[str, str] = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}


def isolate() -> None:
    """Set what is not set. Call it before anything imports prefect. Who sets PREFECT_LOGGING_LEVEL wants to hear."""
    silence = {} if "PREFECT_LOGGING_LEVEL" in os.environ else SILENCE
    for name, value in {**DEFAULTS, **silence}.items():
        os.environ.setdefault(name, value)
