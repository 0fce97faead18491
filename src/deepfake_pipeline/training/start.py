"""Where a training starts: anew, or from a network that has learnt elsewhere."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

from torch import nn

from deepfake_pipeline.models.store import load_network

logger = logging.getLogger(__name__)


def starting(build: Callable[[], nn.Module], start: bytes | None) -> Callable[[], nn.Module]:
    """What makes the network to be trained: a new one, with the weights of ``start`` if that is one of the same form.

    Networks for other degradations, or of another size, are of another form: the log says that training starts anew.

    Args:
        build: makes a new network.
        start: a network as ``models.store.network_bytes`` gives it; None = anew.
    """
    if start is None:
        return build

    def made() -> nn.Module:
        network: Any = build()
        other: Any = load_network(start)
        if type(other) is type(network) and other.config == network.config:
            network.load_state_dict(other.state_dict())
        else:
            logger.info("training starts anew: the network to start from is of another form")
        return network

    return made


def digest_of(start: bytes | None) -> str:
    """By which checkpoints tell what they started from."""
    return hashlib.sha256(start).hexdigest() if start is not None else ""
