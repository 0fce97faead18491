"""Meso-4 with weights in the authors' file format, against a plain computation with scipy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from deepfake_pipeline.models.keras_weights import meso4_from_keras
from deepfake_pipeline.tables.errors import UserError

h5py = pytest.importorskip("h5py")

CONVOLUTIONS = [(3, 3, 8), (5, 8, 8), (5, 8, 16), (5, 16, 16)]
POOLS = [2, 2, 2, 4]


def random_weights(path, seed=0):
    """A file like the authors': layers without weights lie between those that have some."""
    rng = np.random.default_rng(seed)
    layers = []
    for number, (kernel, inputs, outputs) in enumerate(CONVOLUTIONS):
        scale = (kernel * kernel * inputs) ** -0.5
        layers.append(
            (
                f"conv2d_{number}",
                {
                    "kernel": rng.normal(0, scale, (kernel, kernel, inputs, outputs)),
                    "bias": rng.normal(0, 0.1, outputs),
                },
            )
        )
        layers.append(
            (
                f"batch_normalization_{number}",
                {
                    "gamma": rng.uniform(0.5, 1.5, outputs),
                    "beta": rng.normal(0, 0.2, outputs),
                    "moving_mean": rng.normal(0, 0.2, outputs),
                    "moving_variance": rng.uniform(0.5, 1.5, outputs),
                },
            )
        )
        layers.append((f"max_pooling2d_{number}", {}))
    layers.append(("dense_0", {"kernel": rng.normal(0, 0.03, (1024, 16)), "bias": rng.normal(0, 0.1, 16)}))
    layers.append(("dense_1", {"kernel": rng.normal(0, 0.3, (16, 1)), "bias": rng.normal(0, 0.1, 1)}))
    write(path, layers)


def write(path, layers):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name for name, _ in layers], "S")
        for name, weights in layers:
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}/{key}:0" for key in weights], "S")
            for key, value in weights.items():
                group.create_dataset(f"{name}/{key}:0", data=value.astype(np.float32))


def plain_probability_of_real(path, image):
    """The network computed layer by layer from the file, channels last, as Keras does."""
    with h5py.File(path) as file:
        layers = [
            {key.decode().split("/")[-1][:-2]: file[name][key][()] for key in file[name].attrs["weight_names"]}
            for name in file.attrs["layer_names"]
        ]
    layers = [layer for layer in layers if layer]
    x = image.astype(np.float64)
    for number, pool in enumerate(POOLS):
        conv, norm = layers[2 * number], layers[2 * number + 1]
        kernel = conv["kernel"]
        planes = [
            sum(correlate(x[..., i], kernel[:, :, i, o], mode="constant") for i in range(kernel.shape[2]))
            for o in range(kernel.shape[3])
        ]
        x = np.maximum(np.stack(planes, axis=-1) + conv["bias"], 0)
        x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
        side = x.shape[0] // pool
        x = x.reshape(side, pool, side, pool, -1).max((1, 3))
    hidden = x.reshape(-1) @ layers[8]["kernel"] + layers[8]["bias"]
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    return 1 / (1 + np.exp(-(hidden @ layers[9]["kernel"] + layers[9]["bias"]).item()))


def check(path):
    image = np.random.default_rng(1).random((256, 256, 3), dtype=np.float32)
    network = meso4_from_keras(path)
    with torch.inference_mode():
        forged = torch.sigmoid(network(torch.from_numpy(image).permute(2, 0, 1)[None]).logit).item()
    assert forged == pytest.approx(1 - plain_probability_of_real(path, image), abs=1e-5)


def test_a_file_in_the_authors_format_gives_what_a_plain_computation_gives(tmp_path):
    random_weights(tmp_path / "meso4.h5")
    check(tmp_path / "meso4.h5")


@pytest.mark.real
@pytest.mark.parametrize("name", ["Meso4_DF.h5", "Meso4_F2F.h5"])
def test_the_authors_own_weights_give_what_a_plain_computation_gives(real_data, name):
    check(real_data / "models/mesonet" / name)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="is no file"):
        meso4_from_keras(tmp_path / "absent.h5")
    write(tmp_path / "other.h5", [("dense_0", {"kernel": np.zeros((4, 4)), "bias": np.zeros(4)})])
    with pytest.raises(UserError, match="does not hold the weights of a Meso-4"):
        meso4_from_keras(tmp_path / "other.h5")
