import doctest
from importlib import import_module

import numpy as np
import pytest

MODULES = ("base", "blur", "cache", "compression", "noise", "recipe", "recipes", "severity", "shadow")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    module = import_module(f"deepfake_pipeline.degrade.{name}")
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
