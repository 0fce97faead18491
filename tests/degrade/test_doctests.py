import doctest
from importlib import import_module

import numpy as np
import pytest

MODULES = (
    "base",
    "blur",
    "cache",
    "compression",
    "jpeg2000",
    "light",
    "noise",
    "recipe",
    "recipes",
    "resolution",
    "severity",
    "shadow",
    "video",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    module = import_module(f"deepfake_pipeline.degrade.{name}")
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
