"""What every dataset does where there is nothing to load."""

import pytest
from kedro.io import DatasetError, Version

from deepfake_pipeline.commands.shared import user_message
from deepfake_pipeline.datasets.arrays import PackedFacesDataset
from deepfake_pipeline.datasets.documents import JsonDataset, VersionsDataset
from deepfake_pipeline.datasets.geometry import CropGeometryDataset
from deepfake_pipeline.datasets.networks import NetworkDataset, NetworksDataset
from deepfake_pipeline.datasets.tables import TableDataset

KINDS = [JsonDataset, CropGeometryDataset, NetworkDataset, NetworksDataset, PackedFacesDataset, TableDataset]


@pytest.mark.parametrize("version", [None, Version(None, None), Version("2026-11-01T00.00.00.000Z", None)])
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_made_yet_is_named_in_one_line(kind, version, tmp_path):
    dataset = kind(filepath=str(tmp_path / "08_reporting" / "figures"), version=version)
    with pytest.raises(DatasetError) as raised:
        dataset.load()
    message = user_message(raised.value)
    assert "08_reporting/figures does not exist yet: run the pipelines that make it first" in message
    assert "\n" not in message


def test_an_error_inside_of_what_is_there_stays_what_it_is(tmp_path):
    class Partial(JsonDataset):
        def read(self, path):
            return (path.with_name("other.json")).read_text(encoding="utf-8")

    (tmp_path / "some.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"other\.json") as raised:
        Partial(filepath=str(tmp_path / "some.json")).load()
    assert user_message(raised.value) is None


def test_no_version_yet_is_none(tmp_path):
    assert VersionsDataset(filepath=str(tmp_path / "record.json")).load() == []
