"""Several detectors judging together: the mean of their calibrated logits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.tables.errors import UserError


@dataclass(frozen=True)
class Member:
    """A detector of an ensemble.

    Attributes:
        name: by which the detector is looked up.
        config: fields of its configuration.
        temperature: above 0; its logits are divided by it (Guo et al. 2017), 1 leaves them as they are.
    """

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0


@dataclass(frozen=True)
class EnsembleConfig:
    """Who judges.

    Attributes:
        members: detectors, as :class:`Member` or as a mapping of its fields; at least one, and no ensemble.
        image_size: side in px of the square input; 0 = the largest of the members'.
    """

    members: tuple[Member, ...] = ()
    image_size: int = 0

    def __post_init__(self) -> None:
        given: Iterable[Any] = self.members
        try:
            members = tuple(member if isinstance(member, Member) else Member(**member) for member in given)
        except TypeError as error:
            raise UserError(f"a member of an ensemble has name, config and temperature: {error}") from error
        if not members:
            raise UserError("an ensemble needs members: give network_config.members a list of name and config")
        for member in members:
            if member.name == "ensemble":
                raise UserError("an ensemble cannot be a member of an ensemble: list its members instead")
            if not 0 < member.temperature < float("inf"):
                raise UserError(f"temperature of member '{member.name}' is {member.temperature}: it must be above 0")
        object.__setattr__(self, "members", members)


class Ensemble(Detector):
    """Every member sees the faces at its own size; the logit is the mean of theirs, each over its temperature.

    Input float32 ``(N, 3, image_size, image_size)``, RGB in [0, 1]. As many parameters as the members together.
    The mean of log-odds, unlike that of probabilities, stays calibrated where all members agree and lets a sure
    member outvote an unsure one.
    """

    config_class = EnsembleConfig
    temperatures: Tensor

    def __init__(self, config: EnsembleConfig) -> None:
        # late: the dictionary in which members are looked up holds the ensemble, too
        from deepfake_pipeline.models.store import build_network

        super().__init__()
        self.members = nn.ModuleList(build_network(member.name, member.config) for member in config.members)
        sizes = [int(member.image_size) for member in self.members if isinstance(member, Detector)]
        if len(sizes) < len(self.members):
            raise UserError("a member of an ensemble must be a detector")
        self.config = EnsembleConfig(config.members, config.image_size or max(sizes))
        temperatures = torch.tensor([member.temperature for member in config.members])
        self.register_buffer("temperatures", temperatures, persistent=False)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``; feature maps of all members joined on the finest one's grid; embeddings joined."""
        return self.joined(self.judged_by_each(images))

    def judged_by_each(self, images: Tensor) -> list[DetectorOutput]:
        """What each member says, before its temperature."""
        return [member(self.seen_by(member, images)) for member in self.members]

    def seen_by(self, member: nn.Module, images: Tensor) -> Tensor:
        """The images at the size of a member."""
        size = int(member.image_size)  # type: ignore[arg-type]
        if images.shape[-2:] == (size, size):
            return images
        return functional.interpolate(images, (size, size), mode="bilinear", antialias=images.shape[-1] > size)

    def joined(self, outputs: Sequence[DetectorOutput]) -> DetectorOutput:
        """What the ensemble says, by what each member says."""
        logits = torch.stack([output.logit.float() for output in outputs], dim=1)
        height, width = (max(output.feature_map.shape[side] for output in outputs) for side in (2, 3))
        maps = [functional.interpolate(output.feature_map, (height, width), mode="nearest") for output in outputs]
        return DetectorOutput(
            (logits / self.temperatures).mean(dim=1),
            torch.cat(maps, dim=1),
            torch.cat([output.embedding for output in outputs], dim=1),
        )


def ensemble_of(members: Iterable[tuple[Detector, float]]) -> Ensemble:
    """An ensemble of trained detectors, each with its temperature; their weights are copied.

    Raises:
        UserError: no member, or a temperature that is not above 0.
    """
    from deepfake_pipeline.models.store import network_name  # late, as above

    given = list(members)
    entries = tuple(
        Member(network_name(network), asdict(network.config), float(temperature)) for network, temperature in given
    )
    ensemble = Ensemble(EnsembleConfig(entries))
    for copy, (network, _) in zip(ensemble.members, given, strict=True):
        copy.load_state_dict(network.state_dict())
    return ensemble.eval()
