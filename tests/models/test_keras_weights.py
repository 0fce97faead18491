"""MesoNets with weights in the authors' file format, against a plain computation with scipy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from deepfake_pipeline.models.keras_weights import meso4_from_keras, mesoinception4_from_keras
from deepfake_pipeline.tables.errors import UserError

h5py = pytest.importorskip("h5py")


def last_two(channels):
    return [("conv", 5, channels, 16), ("pool", 16, 2), ("conv", 5, 16, 16), ("pool", 16, 4)]


MESO_4 = [("conv", 3, 3, 8), ("pool", 8, 2), ("conv", 5, 8, 8), ("pool", 8, 2), *last_two(8)]
MESO_INCEPTION_4 = [
    ("inception", 3, (1, 4, 4, 2)),
    ("pool", 11, 2),
    ("inception", 11, (2, 4, 4, 2)),
    ("pool", 12, 2),
    *last_two(12),
]
LOADERS = {"Meso-4": (meso4_from_keras, MESO_4), "MesoInception-4": (mesoinception4_from_keras, MESO_INCEPTION_4)}


def convolution(rng, kernel, inputs, outputs):
    scale = (kernel * kernel * inputs) ** -0.5
    return {"kernel": rng.normal(0, scale, (kernel, kernel, inputs, outputs)), "bias": rng.normal(0, 0.1, outputs)}


def random_weights(path, design, seed=0):
    """A file like the authors': layers without weights lie between those that have some."""
    rng = np.random.default_rng(seed)
    layers = []
    for kind, *sizes in design:
        if kind == "conv":
            layers.append(convolution(rng, *sizes))
        elif kind == "inception":
            inputs, (point, *wide) = sizes
            # Keras sorts by depth: the three reducing layers, the lone 1×1 one, then the three wide ones.
            layers += [convolution(rng, 1, inputs, width) for width in (*wide, point)]
            layers += [{}, *(convolution(rng, 3, width, width) for width in wide)]
        else:
            channels = sizes[0]
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            drawn = (
                rng.uniform(0.5, 1.5, channels),
                *rng.normal(0, 0.2, (2, channels)),
                rng.uniform(0.5, 1.5, channels),
            )
            layers += [dict(zip(names, drawn, strict=True)), {}]
    layers.append({"kernel": rng.normal(0, 0.03, (1024, 16)), "bias": rng.normal(0, 0.1, 16)})
    layers.append({"kernel": rng.normal(0, 0.3, (16, 1)), "bias": rng.normal(0, 0.1, 1)})
    write(path, [(f"layer_{number}", layer) for number, layer in enumerate(layers)])


def write(path, layers):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name for name, _ in layers], "S")
        for name, weights in layers:
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}/{key}:0" for key in weights], "S")
            for key, value in weights.items():
                group.create_dataset(f"{name}/{key}:0", data=value.astype(np.float32))


def plain_convolution(x, layer, dilation=1):
    kernel = np.zeros([dilation * (side - 1) + 1 for side in layer["kernel"].shape[:2]] + [*layer["kernel"].shape[2:]])
    kernel[::dilation, ::dilation] = layer["kernel"]
    planes = [
        sum(correlate(x[..., i], kernel[:, :, i, o], mode="constant") for i in range(kernel.shape[2]))
        for o in range(kernel.shape[3])
    ]
    return np.maximum(np.stack(planes, axis=-1) + layer["bias"], 0)


def plain_inception(x, layers):
    *reduce, point = (next(layers) for _ in range(4))
    wide = [next(layers) for _ in range(3)]
    branches = [plain_convolution(x, point)]
    for dilation, first, second in zip((1, 2, 3), reduce, wide, strict=True):
        branches.append(plain_convolution(plain_convolution(x, first), second, dilation))
    return np.concatenate(branches, axis=-1)


def plain_probability_of_real(path, image, design):
    """The network computed layer by layer from the file, channels last, as Keras does."""
    with h5py.File(path) as file:
        stored = [
            {key.decode().split("/")[-1][:-2]: file[name][key][()] for key in file[name].attrs["weight_names"]}
            for name in file.attrs["layer_names"]
        ]
    layers = iter([layer for layer in stored if layer])
    x = image.astype(np.float64)
    for kind, *sizes in design:
        if kind == "conv":
            x = plain_convolution(x, next(layers))
        elif kind == "inception":
            x = plain_inception(x, layers)
        else:
            norm, pool = next(layers), sizes[-1]
            x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
            side = x.shape[0] // pool
            x = x.reshape(side, pool, side, pool, -1).max((1, 3))
    dense, last = layers
    hidden = x.reshape(-1) @ dense["kernel"] + dense["bias"]
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    return 1 / (1 + np.exp(-(hidden @ last["kernel"] + last["bias"]).item()))


def check(path, name):
    load, design = LOADERS[name]
    image = np.random.default_rng(1).random((256, 256, 3), dtype=np.float32)
    network = load(path)
    with torch.inference_mode():
        forged = torch.sigmoid(network(torch.from_numpy(image).permute(2, 0, 1)[None]).logit).item()
    assert forged == pytest.approx(1 - plain_probability_of_real(path, image, design), abs=1e-5)


@pytest.mark.parametrize("name", LOADERS)
def test_a_file_in_the_authors_format_gives_what_a_plain_computation_gives(tmp_path, name):
    random_weights(tmp_path / "weights.h5", LOADERS[name][1])
    check(tmp_path / "weights.h5", name)


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Meso4_DF.h5", "Meso-4"),
        ("Meso4_F2F.h5", "Meso-4"),
        ("MesoInception_DF.h5", "MesoInception-4"),
        ("MesoInception_F2F.h5", "MesoInception-4"),
    ],
)
def test_the_authors_own_weights_give_what_a_plain_computation_gives(real_data, file, name):
    check(real_data / "models/mesonet" / file, name)


@pytest.mark.parametrize("name", LOADERS)
def test_other_files_are_refused(tmp_path, name):
    load, _ = LOADERS[name]
    with pytest.raises(UserError, match=r"absent\.h5 is no file$"):
        load(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("hello")
    write(tmp_path / "other.h5", [("dense_0", {"kernel": np.zeros((4, 4)), "bias": np.zeros(4)})])
    other = next(design for key, (_, design) in LOADERS.items() if key != name)
    random_weights(tmp_path / "sister.h5", other)
    for file in ("text.h5", "other.h5", "sister.h5"):
        with pytest.raises(UserError, match=f"does not hold the weights of a {name}"):
            load(tmp_path / file)
