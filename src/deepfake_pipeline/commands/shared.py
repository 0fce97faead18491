"""What commands share: errors in one line, and where a project keeps things."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import KedroCliError

from deepfake_pipeline.tables.errors import UserError


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show a user's mistake in one line, without a traceback, and exit with status 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            message = user_message(error)
            if message is None:
                raise
            click.secho(f"error: {message}", fg="red", err=True)
            sys.exit(1)

    return wrapped


def user_message(error: BaseException) -> str | None:
    """What to tell a user of an error that the user can mend; None for all others."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UserError | KedroCliError):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return None


def check_names(env: str | None, pipelines: list[str]) -> None:
    """Refuse an overlay or a pipeline that does not exist.

    Raises:
        UserError: no such name, and which there are.
    """
    from deepfake_pipeline.pipeline_registry import ON_DEMAND, STAGES

    overlays = sorted(folder.name for folder in Path("conf").iterdir() if folder.is_dir())
    if env and env not in overlays:
        raise UserError(f"no overlay conf/{env}: there are {', '.join(overlays)}")
    known = [*STAGES, *ON_DEMAND, "__default__"]
    if unknown := [name for name in pipelines if name not in known]:
        raise UserError(f"no pipeline {', '.join(unknown)}: there are {', '.join(known)}")


def data_root(project: Path, env: str | None) -> Path:
    """Where the layers of an overlay's data set lie."""
    from kedro.config import OmegaConfigLoader

    conf = str(project / "conf")
    loader = OmegaConfigLoader(conf, env=env or os.environ.get("KEDRO_ENV"), base_env="base", default_run_env="local")
    return project / str(loader["globals"]["data_root"])


def catalog(env: str | None) -> Any:
    """The datasets of an overlay, without the hooks of a run."""
    from kedro.config import OmegaConfigLoader
    from kedro.io import DataCatalog

    from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

    arguments: dict[str, Any] = {**CONFIG_LOADER_ARGS, "env": env or os.environ.get("KEDRO_ENV")}
    return DataCatalog.from_config(OmegaConfigLoader("conf", **arguments)["catalog"])


def parameters(project: Path, env: str | None, given: dict[str, Any]) -> Any:
    """The parameters as a run would read them."""
    from kedro.config import OmegaConfigLoader

    from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

    arguments: dict[str, Any] = {**CONFIG_LOADER_ARGS, "env": env or os.environ.get("KEDRO_ENV")}
    return OmegaConfigLoader(str(project / "conf"), runtime_params=given, **arguments)["parameters"]
