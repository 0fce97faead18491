"""A detector that reads how much fine detail each place of a face has, and of which kind.

What a forger paints is smoother, or rougher, than the face around it. High-pass residuals tell (Fridrich and Kodovský,
"Rich models for steganalysis of digital images", IEEE TIFS 2012); here their strength in blocks of 8×8 px, on a
logarithmic scale, is all that a residual network sees besides colours. It need not find such filters itself, which is
what a network that starts from pixels spends most of its training on. The choice of filters and the size are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred
from deepfake_pipeline.models.resnet_small import ResidualBlock
from deepfake_pipeline.tables.errors import UserError

CELL = 8
"""Side in px of the blocks over which energies are means."""

_FAINT = 0.1  # grey levels: less detail than this is none
_LUMA, _RED, _BLUE = (1, 2, 1), (4, -4, 0), (0, -4, 4)  # quarters of R, G and B; whole numbers, see `energies`
_FIRST = ([[-1, 1]], [[-1], [1]], [[-1, 0], [0, 1]], [[0, -1], [1, 0]])
_SECOND = (
    [[1, -2, 1]],
    [[1], [-2], [1]],
    [[1, 0, 0], [0, -2, 0], [0, 0, 1]],
    [[0, 0, 1], [0, -2, 0], [1, 0, 0]],
)
_SQUARE_3 = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
_SQUARE_5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
_CROSS = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
_PAIRS = slice(16, 32)  # the filters for pairs of pixels


@dataclass(frozen=True)
class ResidualEnergyConfig:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input, a multiple of 8.
        pixels: channels that a learned branch adds to the energies, from the pixels themselves; 0 = no such branch.
        widths: channels of each stage; every stage but the first halves the resolution of the energies.
        depths: residual blocks of each stage.
        dropout: share dropped in training before the last layer.
        scales: 2, filters for single pixels and for pairs of them; or 3, those for pairs on the halved picture, too.
        most: grey levels; a residual that is stronger counts as this much, twice that on the halved picture, so that a
            few ruined pixels do not outweigh a block; 0 = no limit.
    """

    image_size: int = 224
    pixels: int = 0
    widths: tuple[int, ...] = (64, 96, 128)
    depths: tuple[int, ...] = (1, 2, 2)
    dropout: float = 0.2
    scales: int = 2
    most: float = 0.0

    def __post_init__(self) -> None:
        if self.scales not in (2, 3):
            raise UserError(f"scales is {self.scales}: it must be 2 or 3")
        if not 0 <= self.most <= 255:
            raise UserError(f"most is {self.most}: it must lie in [0, 255]")


class Form(NamedTuple):
    """How energies are measured, see :class:`ResidualEnergyConfig`."""

    scales: int
    most: float


class ResidualEnergy(Detector):
    """Energies of 32 fixed high-pass filters, five residual blocks, mean and a logit.

    Input float32 ``(N, 3, 224, 224)``, RGB in [0, 1]. 937,607 parameters. The filters are kept out of the state.
    """

    config_class = ResidualEnergyConfig
    filters: Tensor
    scale: Tensor

    def __init__(self, config: ResidualEnergyConfig | None = None) -> None:
        super().__init__()
        self.config = config or ResidualEnergyConfig()
        filters = residual_filters()
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("scale", 2 / filters.abs().sum((1, 2, 3)).view(1, -1, 1, 1), persistent=False)
        inputs = len(filters) + 3 + (len(filters[_PAIRS]) if self.config.scales == 3 else 0)
        self.norm = nn.BatchNorm2d(inputs)
        self.branch = _pixel_branch(self.config.pixels) if self.config.pixels else None
        inputs += self.config.pixels
        layers: list[nn.Module] = []
        for stage, (width, depth) in enumerate(zip(self.config.widths, self.config.depths, strict=True)):
            for number in range(depth):
                layers.append(ResidualBlock(inputs, width, stride=2 if stage and number == 0 else 1))
                inputs = width
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = nn.Linear(inputs, 1)

    def forward(self, images: Tensor, energies: Tensor | None = None) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 128, 7, 7)`` and embedding ``(N, 128)`` at 224 px.

        Args:
            images: float32 ``(N, 3, H, W)``, RGB in [0, 1].
            energies: of the images, where they are known already.
        """
        seen = self.norm(self.energies(images) if energies is None else energies)
        if self.branch is not None:
            seen = torch.cat([seen, self.branch(centred(images))], dim=1)
        feature_map = self.features(seen)
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)

    def energies(self, images: Tensor) -> Tensor:
        """What the network reads of images, ``(N, 35, H / 8, W / 8)`` float32; of three scales 51 channels.

        The logarithm of the mean strength of each residual in grey levels, and the mean of each colour. Pixels are
        rounded to whole grey levels and the filters are of whole numbers, so that bfloat16, which autocast may ask
        for, multiplies them as exactly as float32 does.
        """
        (found,) = self.energies_of(images, [self.form])
        return found

    def energies_of(self, images: Tensor, forms: Sequence[Form]) -> list[Tensor]:
        """The energies by each of several forms; what they have in common is computed once."""
        device = images.device.type
        dtype: Any = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            grey = (images.float() * 255).round_()
            colours = _means(grey, CELL) / 128 - 1
            residuals = _residuals(grey.to(dtype), self.filters)
            found = []
            for form in forms:
                strengths = [_strength(residuals, self.scale, CELL // 2, form.most)]
                if form.scales == 3:  # means of four pixels are not whole: in float32
                    halved = _residuals(_means(grey, 2), self.filters[_PAIRS])
                    strengths.append(_strength(halved, self.scale[:, _PAIRS], CELL // 4, 2 * form.most))
                found.append(torch.cat([torch.log(strength + _FAINT) for strength in strengths] + [colours], dim=1))
            return found

    @property
    def form(self) -> Form:
        """What the energies depend on besides the images: networks that agree in it measure the same."""
        return Form(self.config.scales, self.config.most)


def _means(grey: Tensor, block: int) -> Tensor:
    """Means of square blocks, exact of whole grey levels. A convolution: pooling crawls where channels are three."""
    channels = grey.shape[1]
    weights = grey.new_full((channels, 1, block, block), 1 / block**2)
    return functional.conv2d(grey, weights, stride=block, groups=channels)


def _residuals(grey: Tensor, filters: Tensor) -> Tensor:
    """How strongly each filter responds, at every other place."""
    return functional.conv2d(grey, filters.to(grey.dtype), stride=2, padding=2).abs_()


def _strength(residuals: Tensor, scale: Tensor, block: int, most: float) -> Tensor:
    """Mean strength of each residual in blocks of ``block`` places, in grey levels, each at most ``most`` if not 0."""
    if most:
        residuals = torch.minimum(residuals, (most / scale).to(residuals.dtype))
    return functional.avg_pool2d(residuals, block).float() * scale


def _pixel_branch(channels: int) -> nn.Sequential:
    """Pixels at the resolution of the energies: a convolution with large steps and a residual block."""
    return nn.Sequential(
        nn.Conv2d(3, channels, CELL - 1, CELL // 2, padding=CELL // 2 - 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        ResidualBlock(channels, channels, stride=2),
    )


def residual_filters() -> Tensor:
    """Sixteen filters for single pixels and sixteen for pairs of them, ``(32, 3, 6, 6)``, of whole numbers.

    A flat area gives 0. Of each scale ten read the luma and six the differences of colours.
    """
    finest = _of_colours((*_FIRST, *_SECOND, _SQUARE_3, _SQUARE_5))
    coarser = _of_colours((*_FIRST, *_SECOND, _SQUARE_3, _CROSS), doubled=True)
    return torch.stack(finest + coarser)


def _of_colours(kernels: Any, doubled: bool = False) -> list[Tensor]:
    of_luma = [_placed(kernel, _LUMA, doubled) for kernel in kernels]
    of_colour = (*_SECOND[:2], _SQUARE_3)
    return of_luma + [_placed(kernel, colour, doubled) for colour in (_RED, _BLUE) for kernel in of_colour]


def _placed(kernel: Any, colour: tuple[int, int, int], doubled: bool) -> Tensor:
    """A filter of three colours on 6×6 px, each of its places two px wide where ``doubled``."""
    small = torch.tensor(kernel, dtype=torch.float32)
    if doubled:
        small = small.repeat_interleave(2, 0).repeat_interleave(2, 1)
    plane = torch.zeros(6, 6)
    top, left = (6 - small.shape[0]) // 2, (6 - small.shape[1]) // 2
    plane[top : top + small.shape[0], left : left + small.shape[1]] = small
    return torch.tensor(colour, dtype=torch.float32).view(3, 1, 1) * plane
