"""Checks and denoising."""
