"""The networks in the layout of oneDNN against the same in torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepfake_pipeline.faces import onednn
from deepfake_pipeline.faces.mtcnn import load_networks, normalised

pytestmark = pytest.mark.skipif(not onednn.is_available(), reason="this build of torch has no oneDNN")


@pytest.mark.parametrize(
    ("number", "shape"), [(0, (1, 58, 46, 3)), (0, (2, 12, 12, 3)), (1, (8, 24, 24, 3)), (2, (8, 48, 48, 3))]
)
def test_the_layout_changes_nothing_but_last_digits(number: int, shape: tuple[int, ...]) -> None:
    images = normalised(np.random.default_rng(0).integers(0, 256, shape, np.uint8), "cpu")
    with torch.inference_mode():
        plain = load_networks()[number](images)
        blocked = onednn.blocked(*load_networks())[number](images)
    assert len(plain) == len(blocked)
    for one, other in zip(plain, blocked, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-5)
