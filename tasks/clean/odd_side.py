"""The square window with a middle pixel that several filters look through."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError(f"expected an odd number, so that the window has a middle pixel, got {side}")
    return side


OddSide = Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)]
