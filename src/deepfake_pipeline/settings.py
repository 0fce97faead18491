"""Settings that Kedro reads."""

from __future__ import annotations

import os

from deepfake_pipeline.hooks import ProjectHooks
from deepfake_pipeline.tracking import TrackingHooks


def _from_environment(name: str, default: str = "") -> str:
    """An environment variable in a configuration file: ``${oc.env:NAME,default}``."""
    return os.environ.get(name, default)


HOOKS = (ProjectHooks(), TrackingHooks())
# TrackingHooks stands in for the hook of kedro-mlflow; telemetry is sent to nobody, whatever folder a run is in.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-mlflow", "kedro_telemetry", "kedro-telemetry")

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"oc.env": _from_environment},
}
