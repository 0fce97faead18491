"""The study: a saved set of dataset parameters, from which any team makes the same training sample."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from deepfake_pipeline.media.images import ImageType
from deepfake_pipeline.media.layouts import AUTO, LAYOUTS
from deepfake_pipeline.tables.errors import UserError


class DatasetStudy(BaseModel):
    """Dataset parameters of paper 000, section 5: where the images are and what they are brought to.

    Equal studies have equal JSON, byte for byte.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        "rendered",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="name of the study, a slug of at most 64 characters; column `source` of the manifest",
    )
    uri: str = Field(
        "",
        description="folder, zip or tar archive, or http(s) address of one; empty: not set (paper 000: path)",
    )
    checksum: str = Field(
        "",
        pattern=r"^(sha256:[0-9a-f]{64})?$",
        description="sha256:<64 hex digits> of the archive, verified before it is unpacked; empty: not verified",
    )
    layout: str = Field(
        "rendered",
        description=f"how files and labels lie in the source: auto (the one that fits), {', '.join(LAYOUTS)}",
        json_schema_extra={"enum": [AUTO, *LAYOUTS]},
    )
    height: int = Field(160, ge=16, le=1024, description="px, 16 to 1024: height of a crop (paper 000)")
    width: int = Field(160, ge=16, le=1024, description="px, 16 to 1024: width of a crop (paper 000)")
    type: ImageType = Field(
        "png",
        description="how crops are stored (paper 000): png and webp are lossless, jpeg is lossy (95, 4:4:4)",
    )
    crop: Literal["face", "tiles", "none"] = Field(
        "face",
        description="face: found, aligned and cut out; tiles: a grid over the image; none: all of it (paper 000)",
    )
    tile_size: int = Field(256, ge=16, le=4096, description="px, 16 to 4096: side of a tile; crop=tiles only")
    tile_stride: int = Field(
        default_factory=lambda known: known.get("tile_size", 256),
        ge=1,
        le=4096,
        description="px, 1 to tile_size: from one tile to the next; by default tile_size; crop=tiles only",
    )
    single_image: str = Field(
        "",
        description="name or path of the one file of the source that is used; empty: all of them (paper 000)",
    )

    @field_validator("layout")
    @classmethod
    def _layout_is_known(cls, layout: str) -> str:
        if layout not in (AUTO, *LAYOUTS):
            raise ValueError(f"layout '{layout}' is unknown: use one of {', '.join((AUTO, *LAYOUTS))}")
        return layout

    @model_validator(mode="after")
    def _fields_agree(self) -> DatasetStudy:
        if self.tile_stride > self.tile_size:
            raise ValueError(
                f"tile_stride {self.tile_stride} is larger than tile_size {self.tile_size}: the tiles would "
                "leave gaps, use a smaller stride"
            )
        if self.checksum and not self.uri:
            raise ValueError("checksum is set but uri is not: set uri to the archive that it belongs to")
        return self

    def to_json(self) -> str:
        """The study as JSON with sorted keys; equal studies give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> DatasetStudy:
        """Read what :meth:`to_json` wrote.

        Raises:
            UserError: not JSON, or wrong parameters; one line that names each.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError("study: " + "; ".join(_problem(e) for e in error.errors())) from error


def _problem(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
