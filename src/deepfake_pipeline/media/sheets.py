"""Sheets of pictures for people to look at: rows with captions, columns with headings."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from deepfake_pipeline.media.images import RGBImage, encode_image

SIDES = ("real", "forged")
"""Names of the labels 0 and 1, in the order in which sheets show them."""

_CELL, _MARGIN, _LINE, _INK = 128, 4, 22, (60, 60, 60)
_FONT, _SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


def real_above_forged(real: Sequence[RGBImage], forged: Sequence[RGBImage], columns: int) -> bytes:
    """PNG: rows of real faces, below them rows of forged ones; a side without faces has no row.

    Args:
        real: uint8 (H, W, 3), RGB.
        forged: the same.
        columns: faces in a row.
    """
    rows = [
        (name if start == 0 else "", faces[start : start + columns])
        for name, faces in zip(SIDES, (real, forged), strict=True)
        for start in range(0, len(faces), columns)
    ]
    return encode_image(labelled_sheet(rows), "png")


def labelled_sheet(
    rows: Sequence[tuple[str, Sequence[RGBImage]]], headings: Sequence[tuple[str, int]] = ()
) -> RGBImage:
    """Rows of equally large cells on white, a caption left of each row and headings above the columns.

    Args:
        rows: caption and pictures, uint8 (H, W, 3), of each row; of none, a white sheet without cells is made.
        headings: words and the number of columns that they stand over, from the left.
    """
    step = _CELL + _MARGIN
    left = _MARGIN + max((_text_width(caption) + 2 * _MARGIN for caption, _ in rows), default=0)
    top = _MARGIN + (_LINE if headings else 0)
    columns = max((len(pictures) for _, pictures in rows), default=0)
    sheet = np.full((top + step * len(rows), left + step * columns, 3), 255, np.uint8)
    column = 0
    for words, width in headings:
        _write(sheet, words, left + step * column, top - _LINE // 3)
        column += width
    for y, (caption, pictures) in enumerate(rows):
        above = top + y * step
        _write(sheet, caption, _MARGIN, above + _CELL // 2)
        for x, picture in enumerate(pictures):
            cell = cv2.resize(picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
            sheet[above : above + _CELL, left + x * step : left + x * step + _CELL] = cell
    return sheet


def _text_width(words: str) -> int:
    return int(cv2.getTextSize(words, _FONT, _SIZE, 1)[0][0])


def _write(sheet: RGBImage, words: str, left: int, baseline: int) -> None:
    cv2.putText(sheet, words, (left, baseline), _FONT, _SIZE, _INK, 1, cv2.LINE_AA)
