"""What scikit-image, SciPy, OpenCV and Albumentations do for the same result as our operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
from scipy import ndimage, signal
from skimage import color, data, exposure, feature, filters, measure, morphology, restoration, transform, util

Call = Callable[[Any], Any]

IMAGE = data.astronaut()  # 512 x 512, RGB, uint8
OTHER = data.coffee()
AREA, LINEAR = cv2.INTER_AREA, cv2.INTER_LINEAR


@dataclass(frozen=True)
class Case:
    """An operation with its parameters, and what others offer for it: a call, or Albumentations' name and parameters.

    ``drawn``: its parameters are drawn, so results cannot be compared.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    scikit_image: Call | None = None
    opencv: Call | None = None
    albumentations: tuple[str, dict[str, Any]] | None = None
    drawn: bool = False


def each(call: Call) -> Call:
    """Do it to each channel."""
    return lambda image: np.stack([call(image[..., i]) for i in range(3)], axis=-1)


def gray(image: Any) -> Any:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def warped(image: Any, degrees: float) -> Any:
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), degrees, 1)
    return cv2.warpAffine(image, matrix, (512, 512), flags=LINEAR)


def luminance_clahe(image: Any) -> Any:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(2, (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def gradient(image: Any, call: Call) -> Any:
    across, down = call(gray(image), 1, 0), call(gray(image), 0, 1)
    return np.sqrt(across * across + down * down)


def unsharp(image: Any) -> Any:
    return cv2.addWeighted(image, 2, cv2.GaussianBlur(image, (9, 9), 1), -1, 0)


def hog(image: Any) -> Any:
    return feature.hog(image, 9, (8, 8), (2, 2), "L2-Hys", channel_axis=-1)


def lbp(image: Any) -> Any:
    return np.bincount(feature.local_binary_pattern(gray(image), 8, 1, "uniform").astype(int).ravel(), minlength=10)


def glcm(image: Any) -> Any:
    angles = np.deg2rad([0, 45, 90, 135])
    matrix = feature.graycomatrix(gray(image) // 8, [1], angles, 32, symmetric=True, normed=True)
    names = ("contrast", "dissimilarity", "homogeneity", "ASM", "energy", "correlation")
    return [feature.graycoprops(matrix, name) for name in names]


def gabor(image: Any) -> Any:
    values = gray(image) / 255
    return [filters.gabor(values, f, np.pi * i / 4) for f in (0.1, 0.2, 0.4) for i in range(4)]


def orb(image: Any) -> Any:
    extractor = feature.ORB(n_keypoints=500)
    extractor.detect_and_extract(gray(image))
    return extractor.descriptors


def sift(image: Any) -> Any:
    extractor = feature.SIFT()
    extractor.detect_and_extract(gray(image))
    return extractor.descriptors


def corners(image: Any) -> Any:
    return feature.corner_peaks(feature.corner_harris(gray(image)), min_distance=5, num_peaks=10)


def histogram(image: Any) -> Any:
    return [cv2.calcHist([image], [i], None, [16], [0, 256]) for i in range(3)]


def morphology_of(name: str, radius: int) -> dict[str, Any]:
    """The two references of a morphological operation with a disk."""
    disk = morphology.disk(radius)
    codes = {"opening": cv2.MORPH_OPEN, "closing": cv2.MORPH_CLOSE, "erosion": cv2.MORPH_ERODE}
    codes |= {"dilation": cv2.MORPH_DILATE, "white_tophat": cv2.MORPH_TOPHAT, "black_tophat": cv2.MORPH_BLACKHAT}
    return {
        "parameters": {"radius": radius},
        "scikit_image": each(partial(getattr(morphology, name), footprint=disk)),
        "opencv": lambda image: cv2.morphologyEx(image, codes[name], disk),
    }


FIXED = [
    Case("hflip", {}, lambda i: i[:, ::-1].copy(), lambda i: cv2.flip(i, 1), ("HorizontalFlip", {})),
    Case("vflip", {}, lambda i: i[::-1].copy(), lambda i: cv2.flip(i, 0), ("VerticalFlip", {})),
    Case("transpose", {}, lambda i: i.transpose(1, 0, 2).copy(), cv2.transpose, ("Transpose", {})),
    Case(
        "rotate",
        {"degrees": (30, 30)},
        lambda i: transform.rotate(i, 30, order=1),
        lambda i: warped(i, 30),
        ("Rotate", {"limit": (30, 30), "border_mode": 0}),
    ),
    Case(
        "resize",
        {"size": [256, 256]},
        lambda i: transform.resize(i, (256, 256), anti_aliasing=True),
        lambda i: cv2.resize(i, (256, 256), interpolation=AREA),
        ("Resize", {"height": 256, "width": 256, "interpolation": AREA}),
    ),
    Case(
        "center_crop",
        {"size": [256, 256]},
        lambda i: util.crop(i, ((128, 128), (128, 128), (0, 0)), copy=True),
        None,
        ("CenterCrop", {"height": 256, "width": 256}),
    ),
    Case(
        "pad",
        {"padding": (16, 16, 16, 16), "border": "reflect"},
        lambda i: np.pad(i, ((16, 16), (16, 16), (0, 0)), "reflect"),
        lambda i: cv2.copyMakeBorder(i, 16, 16, 16, 16, cv2.BORDER_REFLECT_101),
        ("Pad", {"padding": (16, 16, 16, 16), "border_mode": cv2.BORDER_REFLECT_101}),
    ),
    Case("grayscale", {}, color.rgb2gray, gray, ("ToGray", {"num_output_channels": 1})),
    Case("convert_color", {"space": "lab"}, color.rgb2lab, lambda i: cv2.cvtColor(i, cv2.COLOR_RGB2LAB)),
    Case("normalize", {}, None, None, ("Normalize", {})),
    Case("invert", {}, util.invert, cv2.bitwise_not, ("InvertImg", {})),
    Case(
        "gamma",
        {"gamma": (0.8, 0.8)},
        lambda i: exposure.adjust_gamma(i, 0.8),
        None,
        ("RandomGamma", {"gamma_limit": (80, 80)}),
    ),
    Case("log", {}, exposure.adjust_log),
    Case("sigmoid", {}, exposure.adjust_sigmoid),
    Case("posterize", {"bits": (4, 4)}, None, lambda i: i & np.uint8(0xF0), ("Posterize", {"num_bits": 4})),
    Case("solarize", {}, None, None, ("Solarize", {"threshold_range": (0.5, 0.5)})),
    Case("stretch", {}, lambda i: exposure.rescale_intensity(i, tuple(np.percentile(i, (2, 98))))),
    Case("autocontrast", {}, None, None, ("AutoContrast", {"cutoff": 0})),
    Case("equalize", {}, each(exposure.equalize_hist), each(cv2.equalizeHist), ("Equalize", {"mode": "cv"})),
    Case("clahe", {}, exposure.equalize_adapthist, luminance_clahe, ("CLAHE", {"clip_limit": (2, 2)})),
    Case(
        "gaussian_blur",
        {"sigma": 2},
        lambda i: filters.gaussian(i, 2, channel_axis=-1),
        lambda i: cv2.GaussianBlur(i, (17, 17), 2),
        ("GaussianBlur", {"sigma_limit": (2, 2), "blur_limit": (17, 17)}),
    ),
    Case(
        "median_blur",
        {"size": 5},
        each(partial(filters.median, footprint=np.ones((5, 5)))),
        lambda i: cv2.medianBlur(i, 5),
        ("MedianBlur", {"blur_limit": (5, 5)}),
    ),
    Case(
        "box_blur",
        {"size": 5},
        each(partial(ndimage.uniform_filter, size=5)),
        lambda i: cv2.blur(i, (5, 5)),
        ("Blur", {"blur_limit": (5, 5)}),
    ),
    Case(
        "bilateral",
        {},
        lambda i: restoration.denoise_bilateral(i, 9, 0.1, 3, channel_axis=-1),
        lambda i: cv2.bilateralFilter(i, 9, 25.5, 3),
    ),
    Case(
        "denoise_nl_means",
        {"h": 0.05, "sigma": 0},
        lambda i: restoration.denoise_nl_means(i, 5, 5, 0.05, channel_axis=-1),
        lambda i: cv2.fastNlMeansDenoisingColored(i, None, 13, 13, 5, 11),
    ),
    Case("denoise_tv", {}, lambda i: restoration.denoise_tv_chambolle(i, 0.1, channel_axis=-1)),
    Case("denoise_wavelet", {}, lambda i: restoration.denoise_wavelet(i, channel_axis=-1)),
    Case("wiener", {}, each(lambda i: np.clip(signal.wiener(i / 255, 5), 0, 1))),
    Case("unsharp_mask", {}, lambda i: filters.unsharp_mask(i, 1, 1, channel_axis=-1), unsharp),
    *(Case(name, **morphology_of(name, 3)) for name in ("erosion", "dilation", "opening", "closing")),
    *(Case(name, **morphology_of(name, 15)) for name in ("white_tophat", "black_tophat")),
    Case("rolling_ball", {}, each(lambda i: i - restoration.rolling_ball(i, radius=50).astype(np.uint8))),
    Case("match_histogram", {"reference": "{other}"}, lambda i: exposure.match_histograms(i, OTHER, channel_axis=-1)),
    Case("frangi", {}, lambda i: filters.frangi(color.rgb2gray(i), sigmas=(1, 3, 5, 7, 9), mode="reflect")),
    Case("sato", {}, lambda i: filters.sato(color.rgb2gray(i), sigmas=(1, 3, 5, 7, 9))),
    Case("difference_of_gaussians", {}, lambda i: filters.difference_of_gaussians(i, 1, channel_axis=-1)),
    *(
        Case(name, {}, lambda i, name=name: getattr(filters, name)(color.rgb2gray(i)))
        for name in ("prewitt", "roberts", "laplace")
    ),
    Case(
        "sobel",
        {},
        lambda i: filters.sobel(color.rgb2gray(i)),
        lambda i: gradient(i, lambda g, x, y: cv2.Sobel(g, cv2.CV_32F, x, y)),
    ),
    Case(
        "scharr",
        {},
        lambda i: filters.scharr(color.rgb2gray(i)),
        lambda i: gradient(i, lambda g, x, y: cv2.Scharr(g, cv2.CV_32F, x, y)),
    ),
    Case(
        "canny",
        {"low": 0.1, "high": 0.2},
        lambda i: feature.canny(color.rgb2gray(i), 1, 0.1, 0.2),
        lambda i: cv2.Canny(cv2.GaussianBlur(gray(i), (9, 9), 1), 100, 200, L2gradient=True),
    ),
]

DRAWN = [
    Case("rot90", {}, None, None, ("RandomRotate90", {})),
    Case("d4", {}, None, None, ("D4", {})),
    Case(
        "affine",
        {},
        None,
        None,
        ("Affine", {"rotate": (-15, 15), "translate_percent": 0.1, "scale": (0.9, 1.1), "shear": (-5, 5)}),
    ),
    Case("perspective", {}, None, None, ("Perspective", {"scale": (0.1, 0.1)})),
    Case("elastic", {}, None, None, ("ElasticTransform", {"alpha": 300, "sigma": 40})),
    Case("grid_distortion", {}, None, None, ("GridDistortion", {"num_steps": 5, "distort_limit": 0.3})),
    Case("optical_distortion", {}, None, None, ("OpticalDistortion", {"distort_limit": 0.15})),
    Case("random_crop", {"size": [256, 256]}, None, None, ("RandomCrop", {"height": 256, "width": 256})),
    Case("random_resized_crop", {"size": [256, 256]}, None, None, ("RandomResizedCrop", {"size": (256, 256)})),
    Case("brightness_contrast", {}, None, None, ("RandomBrightnessContrast", {})),
    Case("color_jitter", {}, None, None, ("ColorJitter", {"hue": (-0.05, 0.05)})),
    Case("hue_saturation", {}, None, None, ("HueSaturationValue", {})),
    Case("rgb_shift", {}, None, None, ("RGBShift", {})),
    Case("channel_shuffle", {}, None, None, ("ChannelShuffle", {})),
    Case("channel_dropout", {}, None, None, ("ChannelDropout", {})),
    Case("to_gray", {}, None, None, ("ToGray", {})),
    Case("tone_curve", {}, None, None, ("RandomToneCurve", {})),
    Case("illumination", {}, None, None, ("Illumination", {})),
    Case("planckian_jitter", {}, None, None, ("PlanckianJitter", {})),
    Case("chromatic_aberration", {}, None, None, ("ChromaticAberration", {})),
    Case(
        "gaussian_noise",
        {},
        lambda i: util.random_noise(i, "gaussian", var=0.0009),
        None,
        ("GaussNoise", {"std_range": (0.01, 0.05)}),
    ),
    Case("shot_noise", {}, lambda i: util.random_noise(i, "poisson"), None, ("ShotNoise", {})),
    Case("speckle", {}, lambda i: util.random_noise(i, "speckle"), None, None),
    Case(
        "salt_and_pepper",
        {},
        lambda i: util.random_noise(i, "s&p", amount=0.03),
        None,
        ("SaltAndPepper", {"amount": (0.01, 0.05)}),
    ),
    Case("iso_noise", {}, None, None, ("ISONoise", {})),
    Case("motion_blur", {}, None, None, ("MotionBlur", {"blur_limit": (3, 9)})),
    Case("defocus", {}, None, None, ("Defocus", {"radius": (1, 4)})),
    Case("zoom_blur", {}, None, None, ("ZoomBlur", {"max_factor": (1.02, 1.1)})),
    Case("glass_blur", {}, None, None, ("GlassBlur", {"sigma": 0.7, "max_delta": 2, "iterations": 1, "mode": "exact"})),
    Case("jpeg_compression", {}, None, None, ("ImageCompression", {"quality_range": (30, 95)})),
    Case("downscale", {}, None, None, ("Downscale", {"scale_range": (0.25, 0.75)})),
    Case("ringing", {}, None, None, ("RingingOvershoot", {})),
    Case("pixel_dropout", {}, None, None, ("PixelDropout", {"dropout_prob": 0.03})),
    Case("coarse_dropout", {}, None, None, ("CoarseDropout", {"num_holes_range": (1, 8)})),
    Case("erasing", {}, None, None, ("Erasing", {})),
    Case("grid_mask", {}, None, None, ("GridDropout", {"ratio": 0.5})),
    Case("shadow", {}, None, None, ("RandomShadow", {})),
    Case("fog", {}, None, None, ("RandomFog", {})),
    Case("rain", {}, None, None, ("RandomRain", {})),
    Case("snow", {}, None, None, ("RandomSnow", {})),
    Case("sun_flare", {}, None, None, ("RandomSunFlare", {})),
]

FEATURES = [
    Case("hog", {}, hog),
    Case("lbp", {}, lbp),
    Case("glcm", {}, glcm),
    Case("gabor", {}, gabor),
    Case("hu_moments", {}, None, lambda i: cv2.HuMoments(cv2.moments(gray(i)))),
    Case("color_histogram", {}, None, histogram),
    Case("entropy", {}, lambda i: measure.shannon_entropy(gray(i))),
    Case("harris", {}, corners),
    Case("shi_tomasi", {}, None, lambda i: cv2.goodFeaturesToTrack(gray(i), 10, 0.01, 5)),
    Case("fast", {}, None, lambda i: cv2.FastFeatureDetector_create(10).detect(gray(i))),
    Case("orb", {}, orb, lambda i: cv2.ORB_create(500).detectAndCompute(gray(i), None)),
    Case("sift", {}, sift, lambda i: cv2.SIFT_create(500).detectAndCompute(gray(i), None)),
    Case("daisy", {}, lambda i: feature.daisy(gray(i), 8, 15, 3, 8, 8)),
]
