import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deepfake_pipeline.media.layouts import LAYOUTS
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables.errors import UserError

SHA = "sha256:" + "0123456789abcdef" * 4

studies = st.builds(
    DatasetStudy,
    name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    uri=st.text(min_size=1),
    checksum=st.sampled_from(["", SHA]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    height=st.integers(16, 1024),
    width=st.integers(16, 1024),
    type=st.sampled_from(["png", "jpeg", "webp"]),
    crop=st.sampled_from(["face", "tiles", "none"]),
    tile_size=st.integers(16, 4096),
    tile_stride=st.integers(1, 16),
    single_image=st.text(),
)


@given(studies)
def test_json_round_trip(study):
    text = study.to_json()
    assert DatasetStudy.from_json(text) == study
    assert DatasetStudy.from_json(text).to_json() == text


def test_json_is_canonical():
    given_stride = DatasetStudy(width=64, tile_stride=256, tile_size=256)
    assert given_stride == DatasetStudy(width=64)
    assert given_stride.to_json() == DatasetStudy(width=64).to_json()
    assert list(json.loads(given_stride.to_json())) == sorted(DatasetStudy.model_fields)


def test_defaults_are_the_rendered_set():
    study = DatasetStudy()
    assert (study.name, study.layout, study.uri, study.crop) == ("rendered", "rendered", "", "face")
    assert DatasetStudy(tile_size=512).tile_stride == 512


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"heigth": 64}, "heigth"),
        ({"height": 15}, "height"),
        ({"width": 1025}, "width"),
        ({"height": "tall"}, "height"),
        ({"type": "gif"}, "type"),
        ({"crop": "ear"}, "crop"),
        ({"name": "Real Faces"}, "name"),
        ({"checksum": "md5:1"}, "checksum"),
        ({"checksum": SHA}, "checksum is set but uri is not"),
        ({"layout": "coco"}, "layout 'coco' is unknown: use one of auto, rendered, openforensics"),
        ({"tile_size": 64, "tile_stride": 65}, "tile_stride 65 is larger than tile_size 64"),
    ],
)
def test_wrong_parameters_are_named_in_one_line(parameters, message):
    with pytest.raises(ValidationError):
        DatasetStudy(**parameters)
    with pytest.raises(UserError) as caught:
        DatasetStudy.from_json(json.dumps(parameters))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"height": 64, "height": }'])
def test_what_is_no_study(text):
    with pytest.raises(UserError, match=r"^study: "):
        DatasetStudy.from_json(text)


def test_is_frozen():
    with pytest.raises(ValidationError):
        DatasetStudy().height = 32  # type: ignore[misc]


def test_every_field_is_described():
    assert all(field.description for field in DatasetStudy.model_fields.values())
    assert DatasetStudy.model_json_schema()["properties"]["layout"]["enum"] == ["auto", *LAYOUTS]
