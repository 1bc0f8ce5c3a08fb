"""The scales at which filters look for ridges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Scales = Annotated[tuple[Annotated[float, Field(ge=0.5, le=50)], ...], Field(min_length=1, max_length=16)]
