"""Schemas of the tables that pipelines hand to one another. Column order is part of the contract."""

from __future__ import annotations

import pyarrow as pa

GIVEN_FACE = pa.struct(
    [
        pa.field("x", pa.float32()),  # box in px of the image
        pa.field("y", pa.float32()),
        pa.field("w", pa.float32()),
        pa.field("h", pa.float32()),
        pa.field("label", pa.int8()),  # of this face; null = unknown
        pa.field("polygons", pa.list_(pa.list_(pa.float32()))),  # outlines: x, y, x, y, …
    ]
)

MANIFEST = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # below the root of the source, with forward slashes
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("label", pa.int8()),  # 1 = forged, 0 = real, null = unknown or different from face to face
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("method", pa.string()),  # how the forgery was made; null for real ones
        pa.field("source", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("phash", pa.uint64(), nullable=False),  # of a video: of its first frame
        pa.field("kind", pa.string(), nullable=False),  # image or video
        pa.field("audio", pa.string()),  # codec of a video's sound, which is not read; null where there is none
        pa.field("memberships", pa.list_(pa.string()), nullable=False),  # what must not leak; groups follow from it
        pa.field("given_faces", pa.list_(GIVEN_FACE)),  # the dataset's own annotation; null where it has none
        pa.field("mask", pa.string()),  # path of the picture or video that shows what was forged
    ]
)

REJECTED_FILES = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

NEAR_DUPLICATES = pa.schema(
    [
        pa.field("sample_a", pa.string(), nullable=False),
        pa.field("sample_b", pa.string(), nullable=False),
        pa.field("split_a", pa.string(), nullable=False),
        pa.field("split_b", pa.string(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),  # correlation at the best alignment, at most 1
        pa.field("mirrored", pa.bool_(), nullable=False),  # the one is alike the mirror image of the other
    ]
)

_FACE_ORIGIN = [
    pa.field("face_id", pa.string(), nullable=False),
    pa.field("sample_id", pa.string(), nullable=False),
    pa.field("label", pa.int8()),
    pa.field("group", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("method", pa.string()),
    pa.field("source", pa.string(), nullable=False),
]

FACES = pa.schema(
    [
        *_FACE_ORIGIN,
        pa.field("frame", pa.int32(), nullable=False),  # number in the file; 0 for an image
        pa.field("seconds", pa.float64()),  # when the frame is shown, by the file's own clock; null for an image
        pa.field("face", pa.int16(), nullable=False),
        pa.field("track", pa.int32()),  # one person's faces in a video share it; null for an image
        pa.field("x", pa.float32()),  # box in source pixels; null where no face was found in a given crop
        pa.field("y", pa.float32()),
        pa.field("w", pa.float32()),
        pa.field("h", pa.float32()),
        pa.field("score", pa.float32()),
        pa.field("landmarks", pa.list_(pa.float32())),  # x, y of the five points, in source pixels
        pa.field("sharpness", pa.float32(), nullable=False),
        pa.field("brightness", pa.float32(), nullable=False),
        pa.field("light_uniformity", pa.float32(), nullable=False),
        pa.field("yaw", pa.float32()),
        pa.field("crop", pa.binary(), nullable=False),  # encoded image at the study's size
    ]
)

REJECTED_FACES = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("face", pa.int16()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

RECIPES = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("degradation", pa.string(), nullable=False),
        pa.field("severity", pa.int8(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("parameters", pa.string(), nullable=False),  # JSON
        pa.field("psnr", pa.float32(), nullable=False),  # dB, against the clean face
        pa.field("ssim", pa.float32(), nullable=False),
    ]
)

RESTORATION_SCORES = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("degradation", pa.string()),  # null, as the severity, for the clean face
        pa.field("severity", pa.int8()),
        pa.field("repair", pa.string(), nullable=False),  # identity, a classical one, network, router
        pa.field("psnr", pa.float32(), nullable=False),  # dB, as all others of the repaired face against the clean one
        pa.field("ssim", pa.float32(), nullable=False),
        pa.field("ms_ssim", pa.float32(), nullable=False),
        pa.field("gmsd", pa.float32(), nullable=False),  # 0 = identical
        pa.field("mae", pa.float32(), nullable=False),
        pa.field("share_within", pa.float32(), nullable=False),  # of the pixels, within the study's tolerance
        pa.field("identity_cosine", pa.float32(), nullable=False),
        pa.field("image_cosine", pa.float32(), nullable=False),
        pa.field("choice", pa.string()),  # what the router applied; null, as the next two, for other repairs
        pa.field("told", pa.string()),  # the degradation that it took the face for
        pa.field("told_severity", pa.float32()),
    ]
)

PREDICTIONS = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),  # clean, degraded; clean_enhanced, enhanced
        pa.field("degradation", pa.string()),
        pa.field("severity", pa.int8()),
        pa.field("logit", pa.float32(), nullable=False),  # log-odds by the network, before calibration
        pa.field("fake_probability", pa.float32(), nullable=False),  # calibrated
        pa.field("verdict", pa.string(), nullable=False),  # real, fake, unsure
        pa.field("sharpness", pa.float32(), nullable=False),  # of the picture that was judged
        pa.field("psnr", pa.float32()),  # dB, against the clean face; null for the clean condition
        pa.field("ssim", pa.float32()),
    ]
)

FACE_TRAITS = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("method", pa.string()),
        pa.field("track", pa.int32()),  # null for an image
        pa.field("size", pa.float32()),  # px, shorter side of the box in the source; null where no face was found
        pa.field("yaw", pa.float32()),  # degrees; null without landmarks
        pa.field("skin_angle", pa.float32()),  # degrees, see faces.skin; null where it cannot be told
    ]
)

REENCODED = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),  # of the picture that is stored anew, as in PREDICTIONS
        pa.field("reencoding", pa.string(), nullable=False),  # as_it_is, or a name of scoring.stability.REENCODINGS
        pa.field("fake_probability", pa.float32(), nullable=False),
        pa.field("side", pa.string(), nullable=False),  # real or fake: what the verdict would be if one had to be given
        pa.field("verdict", pa.string(), nullable=False),  # real, fake, unsure
    ]
)

STUDY_SCORES = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("degradation", pa.string(), nullable=False),  # clean for faces as they are
        pa.field("severity", pa.int8(), nullable=False),  # 0 for faces as they are
        pa.field("repair", pa.string(), nullable=False),
        pa.field("detector", pa.string(), nullable=False),
        pa.field("training", pa.string(), nullable=False),  # plain, or control: trained with degraded faces
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("logit", pa.float32(), nullable=False),  # its sigmoid, the probability, has ties where this has none
        pa.field("psnr", pa.float32(), nullable=False),  # dB, of the repaired face against the clean one
    ]
)

SCORES = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("level", pa.string(), nullable=False),  # face, or file: one row of it a file, after its faces
        pa.field("frame", pa.int32()),  # number in the video; null, as the next two, for images and whole files
        pa.field("seconds", pa.float64()),
        pa.field("track", pa.int32()),  # one person's faces in a video share it
        pa.field("face", pa.int16()),  # number in the picture; null for a file
        pa.field("x", pa.float32()),
        pa.field("y", pa.float32()),
        pa.field("w", pa.float32()),
        pa.field("h", pa.float32()),
        pa.field("crop", pa.string()),  # whole, or how the face was cut: aligned, box, given
        pa.field("fake_probability", pa.float32()),
        pa.field("verdict", pa.string()),  # real, fake, unsure, no_face; null where the file could not be read
        pa.field("reason", pa.string()),  # why there is no probability, or why not all of a video was used
        pa.field("sharpness", pa.float32()),
        pa.field("brightness", pa.float32()),
        pa.field("release", pa.string(), nullable=False),
    ]
)
