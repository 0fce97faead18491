"""Faces drawn with numpy and OpenCV, with exact truth: no photograph and no downloaded model is involved."""

from deepfake_pipeline.media.render.faces import (
    FaceTruth,
    RenderedFace,
    RenderParams,
    render_crowd,
    render_face,
)

__all__ = ["FaceTruth", "RenderParams", "RenderedFace", "render_crowd", "render_face"]
