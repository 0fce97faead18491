"""The networks against a plain computation from the weights as published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from deepfake_pipeline.faces import mtcnn
from deepfake_pipeline.faces.mtcnn import load_networks, load_weights, normalised
from deepfake_pipeline.tables.errors import UserError


def _convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(H, W, in) and a kernel (h, w, in, out) to (H', W', out)."""
    windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))  # H', W', in, h, w
    return np.einsum("yxchw,hwco->yxo", windows, kernel) + bias


def _rectified(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, slope.reshape(-1) * x)


def _pooled(x: np.ndarray, side: int, stride: int, to_the_edge: bool) -> np.ndarray:
    if to_the_edge:  # what TensorFlow calls "same": here never more than one row and column at the end
        x = np.pad(x, ((0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    return sliding_window_view(x, (side, side), axis=(0, 1))[::stride, ::stride].max(axis=(3, 4))


def _plain(x: np.ndarray, weights: list[np.ndarray], pools: list[tuple[int, int, bool] | None]) -> np.ndarray:
    """The convolutional part, then the dense layer on features flattened by column, row, channel."""
    w = [value.astype(np.float64) for value in weights]
    for layer, pool in enumerate(pools):
        x = _rectified(_convolved(x, w[3 * layer], w[3 * layer + 1]), w[3 * layer + 2])
        x = x if pool is None else _pooled(x, *pool)
    at = 3 * len(pools)
    return _rectified(x.transpose(1, 0, 2).ravel() @ w[at] + w[at + 1], w[at + 2])


def _crop(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)


def test_the_networks_have_the_published_numbers_of_parameters() -> None:
    counts = [sum(p.numel() for p in network.parameters()) for network in load_networks()]
    assert counts == [6_632, 100_178, 389_040]


def test_rnet_agrees_with_a_plain_computation() -> None:
    crop, weights = _crop(24), load_weights("rnet")
    pixels = (crop[0].astype(np.float64) - 127.5) / 128
    features = _plain(pixels, weights, [(3, 2, True), (3, 2, False), None])
    box, face = (features @ weights[at] + weights[at + 1] for at in (12, 14))
    log_odds, offsets = load_networks()[1](normalised(crop, "cpu"))
    np.testing.assert_allclose(offsets[0], box, atol=1e-5)
    np.testing.assert_allclose(log_odds[0], face[1] - face[0], atol=1e-4)


def test_onet_agrees_with_a_plain_computation() -> None:
    crop, weights = _crop(48), load_weights("onet")
    pixels = (crop[0].astype(np.float64) - 127.5) / 128
    features = _plain(pixels, weights, [(3, 2, True), (3, 2, False), (2, 2, False), None])
    box, points, face = (features @ weights[at] + weights[at + 1] for at in (15, 17, 19))
    log_odds, offsets, shares = load_networks()[2](normalised(crop, "cpu"))
    np.testing.assert_allclose(offsets[0], box, atol=1e-5)
    np.testing.assert_allclose(shares[0], points, atol=1e-5)
    np.testing.assert_allclose(log_odds[0], face[1] - face[0], atol=1e-4)


def test_pnet_says_of_an_image_what_it_says_of_each_window() -> None:
    pixels = normalised(np.random.default_rng(1).integers(0, 256, (1, 30, 26, 3), np.uint8), "cpu")
    pnet = load_networks()[0]
    log_odds, offsets = pnet(pixels)
    assert log_odds.shape == (1, 10, 8)
    windows = torch.cat([pixels[:, :, 2 * i : 2 * i + 12, 2 * j : 2 * j + 12] for i in range(10) for j in range(8)])
    alone, alone_offsets = pnet(windows)
    torch.testing.assert_close(log_odds.flatten(), alone.flatten(), atol=1e-5, rtol=0)
    torch.testing.assert_close(offsets[0].flatten(1).T, alone_offsets[..., 0, 0], atol=1e-5, rtol=0)


def test_pixels_are_normalised_as_the_networks_were_trained() -> None:
    tensor = normalised(np.array([[[[0, 128, 255]]]], np.uint8), "cpu")
    assert tensor.shape == (1, 3, 1, 1)
    np.testing.assert_allclose(tensor.ravel(), [-127.5 / 128, 0.5 / 128, 127.5 / 128])


def test_weights_that_were_tampered_with_are_not_unpickled(tmp_path: Path) -> None:
    (tmp_path / "pnet.lz4").write_bytes(b"not the weights")
    with pytest.raises(UserError, match=r"pnet\.lz4: not the published MTCNN weights"):
        load_weights("pnet", tmp_path)


def test_absent_weights_are_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"rnet\.lz4.*pip install mtcnn==1\.0\.0"):
        load_weights("rnet", tmp_path)
    monkeypatch.setattr(mtcnn.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="weights are missing"):
        load_weights("rnet")


def test_cutting_and_measuring_load_no_torch_and_detecting_no_tensorflow() -> None:
    light = "align, boxes, detections, extract, geometry, measure, params, pyramid"
    code = (
        f"import sys; from deepfake_pipeline.faces import {light}; assert 'torch' not in sys.modules; "
        "from deepfake_pipeline.faces.mtcnn import load_networks; load_networks(); "
        "assert not {'tensorflow', 'mtcnn', 'kedro'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
