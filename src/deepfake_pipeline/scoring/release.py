"""A release: everything that is needed to score a new file the way the detector was judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from torch import nn

from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.models import Detector
from deepfake_pipeline.models.store import Precision, load_network, network_bytes, rounded_network, stored_precision
from deepfake_pipeline.scoring.calibration import Calibrator
from deepfake_pipeline.scoring.conformal import UnsureRule
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_hex

CHAMPION = "champion.json"
_MANIFEST = "release.json"


@dataclass(frozen=True)
class Release:
    """A detector with what belongs to it.

    Attributes:
        name: what is shown of it, such as ``packaged`` or its version.
        detector: the network that judges.
        geometry: how a face is cut out of a picture for it.
        threshold: calibrated fake probability from which the verdict is ``fake``; chosen on validation and calibration
            faces.
        enhancer: the network that restores, where there is one.
        card: what it was trained on and how good it is, from the records.
        pages: the card for people, as text by file name.
        version: under which it was released; empty for what was not.
        precision: in which its weights are stored.
        calibrator: what the log-odds of the detector are worth.
        router: the classifier that tells the enhancer what ails a face, where there is one.
        choices: which repair validation showed best, as :meth:`restore.choices.Choices.to_json`; None without a router.
        unsure: when no verdict is given; None gives one always, as releases did before there was such a rule.
        unsure_enhanced: the same of faces that were enhanced first; None = as of others.
    """

    name: str
    detector: Detector
    geometry: CropGeometry
    threshold: float
    enhancer: nn.Module | None = None
    card: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    version: str = ""
    precision: Precision = "float32"
    calibrator: Calibrator = field(default_factory=Calibrator)
    unsure: UnsureRule | None = None
    unsure_enhanced: UnsureRule | None = None
    router: nn.Module | None = None
    choices: dict[str, Any] | None = None

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Its networks by role."""
        every = {"detector": self.detector, "enhancer": self.enhancer, "router": self.router}
        return {role: network for role, network in every.items() if network is not None}

    @property
    def rule(self) -> VerdictRule:
        """How its log-odds become probabilities and verdicts."""
        return VerdictRule(self.threshold, self.calibrator, self.unsure)

    @property
    def enhanced_rule(self) -> VerdictRule:
        """The same of faces that were enhanced first."""
        return VerdictRule(self.threshold, self.calibrator, self.unsure_enhanced or self.unsure)


def rounded_release(release: Release, precision: Precision) -> Release:
    """The release with the weights that its files will hold, so that what is judged is what is stored."""
    rounded: dict[str, Any] = {role: rounded_network(network, precision) for role, network in release.networks.items()}
    return replace(release, precision=precision, **rounded)


def hashes_of(release: Release) -> dict[str, str]:
    """SHA-256 (hex) of its networks, by role."""
    return {
        role: sha256_hex(network_bytes(network, precision=release.precision))
        for role, network in release.networks.items()
    }


def write_release(release: Release, folder: Path) -> None:
    """Write a release into an existing, empty folder; equal releases give equal bytes."""
    files = {
        f"{role}.safetensors": network_bytes(network, precision=release.precision)
        for role, network in release.networks.items()
    }
    files |= {name: page.encode() for name, page in release.pages.items()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest = {
        "threshold": release.threshold,
        "calibrator": release.calibrator.to_json(),
        "unsure": release.unsure.to_json() if release.unsure else None,
        "unsure_enhanced": release.unsure_enhanced.to_json() if release.unsure_enhanced else None,
        "choices": release.choices,
        "geometry": release.geometry.model_dump(mode="json"),
        "sha256": {name: sha256_hex(data) for name, data in files.items()},
        "card": release.card,
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_release(folder: Path, name: str | None = None, version: str = "") -> Release:
    """Read a release and check that its files are the ones it was made of.

    Args:
        folder: what :func:`write_release` wrote.
        name: what it is called; by default its version, or the name of the folder. The start of its hash is added.
        version: under which it was released.

    Raises:
        UserError: no release there, or a file of it is missing or was changed.
    """
    try:
        text = (folder / _MANIFEST).read_text(encoding="utf-8")
        manifest = json.loads(text)
        networks: dict[str, Any] = {}
        pages: dict[str, str] = {}
        precision: Precision = "float32"
        for file, expected in manifest["sha256"].items():
            data = (folder / file).read_bytes()
            if sha256_hex(data) != expected:
                raise UserError(f"release {folder}: {file} is not the file it was released with")
            if file.endswith(".safetensors"):
                networks[Path(file).stem] = load_network(data)
                precision = stored_precision(data)
            else:
                pages[file] = data.decode()
        geometry = CropGeometry.model_validate(manifest["geometry"])
        rule = VerdictRule.of_operating_point(manifest)
        enhanced = manifest.get("unsure_enhanced")
    except FileNotFoundError as error:
        raise UserError(f"no release at {folder}: {Path(error.filename).name} is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"release {folder} cannot be read: {str(error).splitlines()[0]}") from error
    digest = sha256_hex(text.encode())[:8]
    return Release(
        name=f"{name or version or folder.name}-{digest}",
        detector=networks["detector"],
        geometry=geometry,
        threshold=rule.threshold,
        enhancer=networks.get("enhancer"),
        card=manifest["card"],
        pages=pages,
        version=version,
        precision=precision,
        calibrator=rule.calibrator,
        unsure=rule.unsure,
        unsure_enhanced=UnsureRule.from_json(enhanced) if enhanced else None,
        router=networks.get("router"),
        choices=manifest.get("choices"),
    )


def packaged_release() -> Release:
    """The release that comes with the package."""
    with resources.as_file(resources.files("deepfake_pipeline") / "releases" / "packaged") as folder:
        return read_release(folder)


def versioned_folder(releases: Path, version: str) -> Path:
    """Where Kedro keeps one version of the data set ``releases``."""
    return releases / version / releases.name


def find_release(wanted: str | None, models: Path) -> Release:
    """The release that a user means.

    Args:
        wanted: ``champion``, ``packaged``, ``last-run``, a version or a path; None is the champion if one is set,
            else the packaged one.
        models: the folder ``06_models`` of the data set in use.

    Raises:
        UserError: there is no such release.
    """
    releases = models / "releases"
    champion = releases / CHAMPION
    if wanted is None:
        wanted = "champion" if champion.exists() else "packaged"
    if wanted == "packaged":
        return packaged_release()
    if wanted == "last-run":
        if not (models / "candidate").exists():
            raise UserError(f"no run has left a detector in {models}: run `kedro run` first")
        return read_release(models / "candidate", "last-run")
    if wanted == "champion":
        if not champion.exists():
            raise UserError("no champion is set: use --release packaged, last-run, a version or a path")
        return read_champion(champion)
    if (folder := versioned_folder(releases, wanted)).exists():
        return read_release(folder, version=wanted)
    return read_release(Path(wanted))


def read_champion(file: Path) -> Release:
    """The release that ``champion.json`` names.

    Raises:
        UserError: the file or the release is damaged or gone.
    """
    try:
        version = json.loads(file.read_text(encoding="utf-8"))["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} names no version of a release: run `kedro run --pipelines release`") from error
    return read_release(versioned_folder(file.parent, version), version=version)
