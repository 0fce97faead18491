"""Which machines are talked to: public ones, so that no address of a study reaches into the network that it runs in."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(host: str) -> bool:
    """True for the number of a machine that anybody on the internet can reach; False for a name.

    Loopback, private, link-local, shared, reserved and multicast addresses are not, nor are IPv6 addresses that stand
    for such an IPv4 address.

    >>> is_public("93.184.216.34"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    """The address, or the IPv4 address that it stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
            return
        within = address.ipv4_mapped or address.sixtofour
        if within is not None:
            yield within
            return
    yield address


class Gate:
    """Judges connections where they are made, after redirects and after names were resolved.

    So it is the address that is judged which is then talked to: a name that changes its meaning between a check and
    the connection gains nothing. A proxy that the environment names is always talked to; it resolves names itself, and
    of what it is asked for only numbers and ``localhost`` can be judged here.

    Args:
        private_addresses: let everything through.

    Attributes:
        refused: the last address that was turned away.
    """

    def __init__(self, private_addresses: bool = False) -> None:
        self.private_addresses, self.refused = private_addresses, ""
        self._proxies = {address for proxy in getproxies().values() for address in _addresses(proxy)}

    def connect(self, found: Any) -> socket.socket:
        """A socket for a resolved address: family, type, protocol, name, and the address with its port.

        Raises:
            ConnectionRefusedError: the address is not public.
        """
        family, kind, protocol, _, (host, *_) = found
        if host not in self._proxies:
            self._judge(host)
        return socket.socket(family, kind, protocol)

    async def request(self, asked: Any, send: Any) -> Any:
        """Middleware of aiohttp: judges hosts that need no resolving, also where a proxy is asked for them.

        Raises:
            ConnectionRefusedError: the address is not public.
        """
        host = (asked.url.host or "").casefold()
        if _is_number(host) or f".{host}".endswith(".localhost"):
            self._judge(host)
        return await send(asked)

    def _judge(self, host: str) -> None:
        if not self.private_addresses and not is_public(host):
            self.refused = host
            raise ConnectionRefusedError(f"{host} is no public address")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _addresses(proxy: str) -> Iterator[str]:
    host = urlsplit(proxy if "://" in proxy else f"//{proxy}").hostname
    try:
        yield from (str(found[4][0]) for found in socket.getaddrinfo(host, None) if host)
    except OSError:
        return  # a proxy that cannot be found will not be talked to
