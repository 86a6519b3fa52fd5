"""A restarted stack is found where it was, unless another program took its place."""

from __future__ import annotations

import socket
from pathlib import Path

from pipeline.devstack.ports import RANGE, Ports, free, is_free


def test_a_server_keeps_its_ports_over_restarts(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = Ports(file).of("kafka", 2, running=False)
    assert Ports(file).of("kafka", 2, running=False) == first
    assert set(first).isdisjoint(Ports(file).of("registry", 1, running=False))


def test_a_port_that_another_program_took_is_replaced_unless_the_server_itself_holds_it(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    (first,) = ports.of("redis", 1, running=False)
    with socket.create_server(("127.0.0.1", first)):
        assert ports.of("redis", 1, running=True) == [first]
        assert ports.of("redis", 1, running=False) != [first]


def test_ports_are_free_different_and_out_of_the_way_of_outgoing_connections() -> None:
    found = free(20)
    assert len(set(found)) == 20
    assert all(port in RANGE and is_free(port) for port in found)
