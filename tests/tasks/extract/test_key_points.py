"""ORB and SIFT against scikit-image, whose detectors differ in detail, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import feature

from tasks.extract.key_points import KeyPoints
from tasks.extract.orb import Orb
from tasks.extract.planes import byte_gray
from tasks.extract.sift import Sift
from tests.tasks.images import in_dtype, picture

BOTH = (Orb(features=300), Sift(features=300))


def test_the_mean_sift_descriptor_is_like_scikit_images() -> None:
    pixels = picture(160, 120)
    sift = feature.SIFT(upsampling=2)
    sift.detect_and_extract(byte_gray(pixels) / 255)
    wanted = (sift.descriptors / np.linalg.norm(sift.descriptors, axis=1, keepdims=True)).mean(axis=0)
    made = Sift().extract(pixels)
    assert 0.5 < made[0] / len(sift.descriptors) < 2
    # rows and columns are exchanged there, so directions turn the other way, from another start
    turned = np.roll(wanted.reshape(4, 4, 8).transpose(1, 0, 2)[:, :, ::-1], 1, axis=2)
    assert np.corrcoef(made[1:129], turned.ravel())[0, 1] > 0.95


def test_sift_descriptors_have_unit_length() -> None:
    strongest = Sift(pooling="top", top=3).extract(picture(160, 120))[1:].reshape(3, 128)
    assert np.allclose(np.linalg.norm(strongest, axis=1), 1, atol=0.02)


def test_orb_finds_the_key_points_that_scikit_image_finds() -> None:
    gray = byte_gray(picture(200, 160))
    orb = feature.ORB(n_keypoints=50)
    orb.detect(gray / 255)
    ours = np.array([point.pt[::-1] for point in Orb(features=500).describe(gray)[0]])
    nearest = np.linalg.norm(orb.keypoints[:, None] - ours[None], axis=2).min(axis=1)
    inside = ((orb.keypoints >= 31) & (orb.keypoints < np.array(gray.shape) - 31)).all(axis=1)
    assert inside.sum() >= 10 and np.median(nearest[inside]) <= 3


@pytest.mark.parametrize("key_points", BOTH)
def test_mean_and_spread_are_those_of_the_descriptors(key_points: KeyPoints) -> None:
    pixels = picture(200, 160)
    _, descriptors = key_points.describe(byte_gray(pixels))
    made = key_points.extract(pixels)
    length = key_points.length()
    assert made[0] == len(descriptors) > 20
    assert np.allclose(made[1 : 1 + length], np.mean(descriptors, axis=0), atol=1e-4)
    assert np.allclose(made[1 + length :], np.std(descriptors, axis=0), atol=1e-4)
    assert len(key_points.components(None, None)) == len(made)


@pytest.mark.parametrize("key_points", BOTH)
def test_the_depth_does_not_count_and_tiny_images_are_zeros(key_points: KeyPoints) -> None:
    pixels = picture(97, 83)
    made = key_points.extract(pixels)
    assert made[0] > 0
    for dtype in ("uint16", "float32"):
        assert np.array_equal(key_points.extract(in_dtype(pixels, dtype)), made)
    for size in ((1, 1), (1, 9), (7, 5)):
        assert not key_points.extract(picture(*size)).any()


@pytest.mark.parametrize("key_points", BOTH)
def test_turning_the_image_keeps_the_descriptors(key_points: KeyPoints) -> None:
    pixels = picture(160, 160)
    length = key_points.length()
    upright, turned = (key_points.extract(p)[1 : 1 + length] for p in (pixels, np.ascontiguousarray(np.rot90(pixels))))
    assert np.corrcoef(upright, turned)[0, 1] > 0.9
