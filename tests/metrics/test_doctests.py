import doctest
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch

MODULES = (
    "calibration",
    "classification",
    "clustered_auroc",
    "detection",
    "fidelity",
    "fidelity_torch",
    "intervals",
    "multiple",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    module = import_module(f"deepfake_pipeline.metrics.{name}")
    assert doctest.testmod(module, extraglobs={"np": np, "torch": torch}).failed == 0


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys, deepfake_pipeline.metrics.detection, deepfake_pipeline.metrics.fidelity;"
        "heavy = {'kedro', 'pandas', 'pyarrow', 'pydantic', 'torch', 'sklearn', 'skimage'} & set(sys.modules);"
        "sys.exit(sorted(heavy) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
