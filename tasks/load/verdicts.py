"""The reasons for which bytes are not an image here, and the one place where decoders' errors become verdicts.

======================  =================================================================================
reason                  the bytes ...
======================  =================================================================================
``empty``               are none
``not_an_image``        begin like no image format that is known here
``unsupported_format``  are a known format that is not read (the message says which, and what reads it)
``truncated``           end too early: the file was cut, by a broken copy or download
``corrupt``             are all there but damaged: a checksum, a code or a structure is wrong; zero-size images
``too_many_bytes``      are more than ``Limits.bytes``
``too_many_pixels``     say that they hold more pixels than ``Limits.pixels`` (measured from the header)
``too_many_frames``     say that they hold more frames than ``Limits.frames``
``no_such_frame``       have no frame of that number
``unsupported_dtype``   hold values that no dtype here keeps (int32 beyond 16 bit, complex, 12-bit JPEG)
``unsupported_channels``  hold a number or kind of channels that is neither gray, RGB, CMYK nor these with alpha
======================  =================================================================================

Stable: they stand in datasets. A new reason may come, an old one never changes its meaning.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import cv2
from PIL import Image, ImageCms

from tasks.errors import Rejected

EMPTY: Final = "empty"
NOT_AN_IMAGE: Final = "not_an_image"
UNSUPPORTED_FORMAT: Final = "unsupported_format"
TRUNCATED: Final = "truncated"
CORRUPT: Final = "corrupt"
TOO_MANY_BYTES: Final = "too_many_bytes"
TOO_MANY_PIXELS: Final = "too_many_pixels"
TOO_MANY_FRAMES: Final = "too_many_frames"
NO_SUCH_FRAME: Final = "no_such_frame"
UNSUPPORTED_DTYPE: Final = "unsupported_dtype"
UNSUPPORTED_CHANNELS: Final = "unsupported_channels"

REASONS: Final = frozenset(
    {
        EMPTY,
        NOT_AN_IMAGE,
        UNSUPPORTED_FORMAT,
        TRUNCATED,
        CORRUPT,
        TOO_MANY_BYTES,
        TOO_MANY_PIXELS,
        TOO_MANY_FRAMES,
        NO_SUCH_FRAME,
        UNSUPPORTED_DTYPE,
        UNSUPPORTED_CHANNELS,
    }
)

# What damaged bytes make the libraries raise. simplejpeg: ValueError. Pillow: OSError and SyntaxError on purpose; the
# rest where a plugin trusts a field that it read (struct.error, IndexError and KeyError by LookupError, OverflowError
# and ZeroDivisionError by ArithmeticError, TypeError, AttributeError, AssertionError, EOFError, RuntimeError,
# SystemError for tiles outside the image);
# DecompressionBombError from inside a plugin. tifffile: ValueError (TiffFileError), struct.error. OpenCV: cv2.error.
# Not MemoryError: that is the machine's state, not a verdict on the bytes.
BROKEN: Final = (
    ValueError,
    OSError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    SystemError,
    BufferError,
    struct.error,
    zlib.error,
    cv2.error,
    Image.DecompressionBombError,
    ImageCms.PyCMSError,
)

# What the libraries say when the bytes ended before the image did.
_CUT = ("truncat", "premature end of jpeg", "unexpected end", "not enough image data", "not enough data", "end of file")
_CUT_ERRORS = (EOFError, struct.error)

# tifffile logs what it finds odd, and Python prints it where nobody configured logging. It becomes a verdict instead.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


@contextmanager
def verdicts(format: str) -> Iterator[None]:
    """Turn what a decoder raises into a verdict, and keep its warnings to itself.

    ``warnings.catch_warnings`` is per process, not per thread: workers decode in one thread each. At worst a race
    hides warnings; no pixel depends on it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Rejected:
        raise
    except BROKEN as error:
        raise broken(format, error) from error


def broken(format: str, error: BaseException, *, cut: bool = False) -> Rejected:
    """The verdict for a decoder's error; ``cut`` where the container itself shows that its end is missing."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return Rejected(TOO_MANY_PIXELS, f"{format}: {text}")
    if cut or isinstance(error, _CUT_ERRORS) or any(phrase in text.lower() for phrase in _CUT):
        return Rejected(TRUNCATED, f"{format}: the file ends before the image does ({text})")
    return Rejected(CORRUPT, f"{format}: {text}")
