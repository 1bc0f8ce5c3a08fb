"""Hu moments against scikit-image, Zernike moments against numbers that mahotas 1.4.18 gave."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data, measure

from tasks.extract.hu_moments import HuMoments
from tasks.extract.zernike_moments import ZernikeMoments
from tests.tasks.images import KINDS, fractions, in_dtype, picture

# mahotas.features.zernike_moments(camera()[100:165, 200:251], radius=25.5, degree=8)
CAMERA = """
0.3183098861837905 0.10919384740166531 0.12612651021596544 0.01915489218677457 0.029926534712283317
0.05532424487309235 0.03179297631400584 0.04884839979445689 0.050275468578541614 0.09319676532214308
0.04121498687198358 0.04650281824737337 0.025411791772308383 0.05581722500818986 0.04055737442602597
0.014519393572515065 0.02275669168063401 0.042996424993845477 0.008441387144051503 0.018813996860693537
0.058913111180789 0.03877615787573405 0.03211708078417587 0.017550486060183633 0.021575536933121038
"""
# mahotas.features.zernike_moments(camera()[100:120, 200:231], radius=10, degree=5)
PART = """
0.3183098861837909 0.05479050802736953 0.03086078536243683 0.03300442582518031 0.04414548370511301
0.04786803741745191 0.013680514923146612 0.016941098260604966 0.011045505169355763 0.009434738261976798
0.028436031797839677 0.02256564512265401
"""


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("size", "degree", "recorded"), [((65, 51), 8, CAMERA), ((20, 31), 5, PART)])
def test_zernike_moments_are_mahotas(size: tuple[int, int], degree: int, recorded: str, dtype: str) -> None:
    height, width = size
    pixels = in_dtype(data.camera()[100 : 100 + height, 200 : 200 + width, None], dtype)
    wanted = np.array(recorded.split(), dtype=float)
    assert np.allclose(ZernikeMoments(degree=degree).extract(pixels), wanted, atol=1e-6)


def test_zernike_moments_do_not_change_with_right_angles_and_mirrors() -> None:
    pixels = picture(61, 61)
    made = ZernikeMoments(degree=12).extract(pixels)
    for other in (np.rot90(pixels), pixels[:, ::-1], pixels.transpose(1, 0, 2)):
        assert np.allclose(ZernikeMoments(degree=12).extract(np.ascontiguousarray(other)), made, atol=1e-6)


def test_zernike_moments_are_named_by_degree_and_repetition() -> None:
    names = ZernikeMoments(degree=8).components(None, None)
    assert len(names) == 25 and names[:6] == ["0.0", "1.1", "2.0", "2.2", "3.1", "3.3"]
    assert not ZernikeMoments().extract(np.zeros((9, 9, 3), np.uint8)).any()
    assert ZernikeMoments().extract(picture(1, 1))[0] == pytest.approx(1 / np.pi)


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_hu_moments_are_scikit_images(dtype: str, channels: int) -> None:
    pixels = picture(97, 71, dtype, channels)
    gray = fractions(pixels) @ ([0.299, 0.587, 0.114] if channels == 3 else [1])
    wanted = measure.moments_hu(measure.moments_normalized(measure.moments_central(gray.T)))  # x first
    assert np.allclose(HuMoments(scale="linear").extract(pixels), wanted, rtol=1e-3, atol=1e-9)
    logarithms = -np.sign(wanted) * np.log10(np.abs(wanted))
    assert np.allclose(HuMoments().extract(pixels), logarithms, atol=2e-3)


def test_hu_moments_of_one_pixel_and_of_black_are_finite() -> None:
    assert np.isfinite(HuMoments().extract(picture(1, 1))).all()
    assert not HuMoments().extract(np.zeros((5, 7, 1), np.uint16)).any()
