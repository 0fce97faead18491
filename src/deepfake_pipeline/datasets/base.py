"""What every dataset here shares: local paths, whole writes (beside, then renamed), Kedro's versioning."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from kedro.io import AbstractVersionedDataset, Version

from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_of

In = TypeVar("In")
Out = TypeVar("Out")


class LocalDataset(AbstractVersionedDataset[In, Out]):
    """A file or folder on this machine. What is there is always whole: a killed save leaves the old one or nothing.

    Args:
        filepath: the file or folder.
        version: Kedro's version, where the entry is ``versioned: true``.
        metadata: free for kedro-viz, DVC and MLflow; see docs.
    """

    may_be_missing: ClassVar[bool] = False
    """Whether ``read`` knows what it means that nothing is there yet."""

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(PurePosixPath(filepath), version)
        self.metadata = metadata

    @abstractmethod
    def read(self, path: Path) -> Out:
        """Load what lies at ``path``."""

    @abstractmethod
    def write(self, data: In, path: Path) -> None:
        """Save ``data`` at ``path``, which does not exist yet; its folder does."""

    def load(self) -> Out:
        """What lies there.

        Raises:
            UserError: nothing does, which is of a pipeline that was not run before.
        """
        if not (self.may_be_missing or self.exists()):
            where = f"{self._filepath} does not exist yet"
            raise UserError(f"{where}: run the pipelines that make it first; `kedro run` runs all of them")
        return self.read(self.path)

    def save(self, data: In) -> None:
        target = Path(self._get_save_path())
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.part")
        remove(beside)
        self.write(data, beside)
        put_in_place(beside, target)

    @property
    def path(self) -> Path:
        """Where the data lies that would be loaded now."""
        return Path(self._get_load_path())

    def sha256(self) -> str:
        """Hash of the file, or of the names and contents of all files of the folder."""
        return sha256_of(self.path)

    def _exists(self) -> bool:
        return self.path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}


def put_in_place(beside: Path, target: Path) -> None:
    """Rename a finished file or folder to where it belongs, replacing what was there."""
    if target.is_dir():
        old = target.with_name(f".{target.name}.old")
        remove(old)
        target.rename(old)
        beside.rename(target)
        remove(old)
    else:
        beside.replace(target)


def remove(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
