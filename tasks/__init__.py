"""WHAT imagemill does to images: plain functions and values that run without a scheduler."""
