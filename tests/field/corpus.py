"""500 ordinary files: every format, mode, compression and option that Pillow writes of them."""

import io
import itertools

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from field.cases import bmp_565, interlaced_png, photo

COUNT = 500
LOSSLESS = ("tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "lzma", "zstd", None)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
RESOLUTIONS = (None, (72, 72), (300, 300), (118.11, 118.11), (600, 300))
WEIGHTS = {"jpeg": 5, "png": 5, "tiff": 6, "webp": 2, "bmp": 2}


def ordinary_files():
    """Yields `COUNT` times name, bytes, and what Pillow was told to write."""
    rng = np.random.default_rng(7)
    order = itertools.cycle(name for name, weight in WEIGHTS.items() for _ in range(weight))
    makers = {"jpeg": jpeg, "png": png, "tiff": tiff, "webp": webp, "bmp": bmp}
    for number, name in zip(range(COUNT), order, strict=False):
        data, options = makers[name](rng, number)
        yield f"{number:03d}.{'tif' if name == 'tiff' else name}", data, options


def pick(rng, *values):
    return values[rng.integers(len(values))]


def camera(rng, number):
    """EXIF data, with an orientation in half of them."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "Maker", "2020:01:02 03:04:05"
    exif[0x0112] = pick(rng, 1, number % 8 + 1)
    exif.get_ifd(0x8769)[0x8827] = 100 + number
    exif.get_ifd(0x8825)[1] = "N"
    return exif


def common(rng, number):
    options = {"dpi": pick(rng, *RESOLUTIONS), "icc_profile": pick(rng, None, None, PROFILE)}
    options["exif"] = pick(rng, None, None, camera(rng, number))
    return {key: value for key, value in options.items() if value is not None}


def written(image, name, options):
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue(), options | {"mode": image.mode}


def jpeg(rng, number):
    options = common(rng, number) | {
        "quality": int(pick(rng, 30, 75, 95, 100)),
        "subsampling": pick(rng, 0, 1, 2),
        "progressive": bool(rng.integers(2)),
        "optimize": bool(rng.integers(2)),
    }
    options |= pick(rng, {}, {"comment": b"a comment"}, {"xmp": XMP}, {"restart_marker_rows": 1})
    return written(photo(pick(rng, "RGB", "RGB", "L", "CMYK"), number), "jpeg", options)


def png(rng, number):
    if number % 23 == 0:
        return interlaced_png(np.array(photo(seed=number))), {"mode": "RGB"}
    image = photo(pick(rng, "1", "L", "LA", "P", "RGB", "RGBA", "I;16"), number)
    options = common(rng, number) | {"compress_level": int(pick(rng, 1, 6, 9))}
    if rng.integers(2):
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text("Title", "A caf\xe9", zip=bool(rng.integers(2)))
        info.add_itxt("Author", "\u6f22", zip=bool(rng.integers(2)))
        info.add(b"gAMA", (45455).to_bytes(4, "big"))
    if image.mode in ("L", "RGB", "P", "1") and rng.integers(3) == 0:
        options["transparency"] = {"RGB": (1, 2, 3)}.get(image.mode, 7)
    if image.mode == "P":
        image = image.quantize(int(pick(rng, 2, 4, 16, 255)))
    return written(image, "png", options)


def tiff(rng, number):
    mode = pick(rng, "1", "L", "LA", "P", "RGB", "RGB", "RGBA", "CMYK", "I;16")
    options = common(rng, number) | {"compression": pick(rng, *LOSSLESS)}
    if mode == "1":
        options["compression"] = pick(rng, "group3", "group4", "tiff_ccitt", None)
    if mode in ("RGB", "L", "CMYK") and rng.integers(4) == 0:
        options["compression"] = "jpeg"
    if options["compression"] is None:
        options["big_tiff"] = bool(rng.integers(4) == 0)
    else:  # beside compressed samples Pillow writes few tags
        options.pop("exif", None)
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[270], tags[305], tags[315] = "A picture", "a program", "somebody"
        options["tiffinfo"] = tags
    if number % 9 == 0:
        further = [photo(mode, number + 1), photo(mode, number + 2)]
        options |= {"save_all": True, "append_images": further}
        options.pop("exif", None)
    return written(photo(mode, number), "tiff", options)


def webp(rng, number):
    options = common(rng, number) | {"lossless": bool(rng.integers(2)), "method": 0}
    options |= pick(rng, {}, {"xmp": XMP}, {"quality": 30})
    image = photo(pick(rng, "RGB", "RGBA"), number)
    if number % 7 == 0:
        options |= {"save_all": True, "append_images": [photo(image.mode, number + 1)]}
        options |= {"duration": 80}
        options.pop("exif", None)
    return written(image, "webp", options)


def bmp(rng, number):
    if number % 5 == 0:
        return bmp_565(np.array(photo(seed=number))), {"mode": "RGB"}
    dpi = pick(rng, *RESOLUTIONS)
    image = photo(pick(rng, "1", "L", "P", "RGB", "RGBA"), number)
    return written(image, "bmp", {"dpi": dpi} if dpi else {})
