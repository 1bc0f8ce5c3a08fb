"""Mappings: parameters that give names or numbers others, frozen as pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

Name = Annotated[str, Field(min_length=1)]
Index = Annotated[int, Field(ge=0, le=65_535)]


def _pairs(value: Any) -> Any:
    return tuple(value.items()) if isinstance(value, Mapping) else value


def mapping(key: Any, value: Any) -> BeforeValidator:
    """Take a mapping, or its pairs as they are kept."""
    return BeforeValidator(_pairs, json_schema_input_type=dict[key, value])
