"""The pages' templates, with the one set of rules that all of them follow."""

from __future__ import annotations

from functools import cache

import jinja2


@cache
def page_template(name: str) -> jinja2.Template:
    """A page of ``reporting/templates``: values are escaped, and one that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deepfake_pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
