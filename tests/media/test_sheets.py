"""Sheets: captions, headings, and which side stands where."""

import cv2
import numpy as np

from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.media.sheets import labelled_sheet, real_above_forged

CELL, STEP = 128, 132


def test_a_side_without_faces_has_no_row():
    grey = [np.full((16, 16, 3), 90, np.uint8)] * 3
    both = decode_image(real_above_forged(grey, grey, columns=2))
    alone = decode_image(real_above_forged([], grey, columns=2))
    none = cv2.imdecode(np.frombuffer(real_above_forged([], [], columns=2), np.uint8), cv2.IMREAD_COLOR)
    assert both.shape[0] // STEP == 4
    assert alone.shape[0] // STEP == 2
    assert (none == 255).all()


def test_a_caption_and_a_heading_never_touch_a_picture():
    words = "a caption that is longer than most"
    sheet = labelled_sheet([(words, [np.zeros((CELL, CELL, 3), np.uint8)])], [("heading", 1)])
    width = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0][0]
    left = sheet.shape[1] - STEP
    assert left > width
    assert (sheet[:, left - 3 : left] == 255).all()
    assert (sheet[-STEP : -STEP + CELL, left : left + CELL] == 0).all()
