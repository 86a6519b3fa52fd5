"""The simulator on a socket: aiohttp's low-level server, one process, thousands of requests in flight."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
from aiohttp import web

from pipeline.errors import UsageError
from pipeline.simulator import control, recordings
from pipeline.simulator.anthropic_messages import AnthropicMessages
from pipeline.simulator.bill import known_models
from pipeline.simulator.exchange import Reply, Silence, Wire
from pipeline.simulator.openai_chat import OpenAIChat
from pipeline.simulator.profile import Profile
from pipeline.simulator.provider import Plan, Provider
from pipeline.simulator.recordings import Recordings

_LARGEST_BODY = 32 * 1024 * 1024  # Anthropic's own limit; OpenAI's is larger
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST instead of FIN

_log = logging.getLogger(__name__)


class Server:
    """A running simulator.

    async with Server(profile, port=0) as server:
        server.openai_url, server.anthropic_url, server.control_url
    """

    def __init__(self, profile: Profile, host: str = "127.0.0.1", port: int = 0) -> None:
        self._profile = profile
        self._host = host
        self._port = port

    async def __aenter__(self) -> Server:
        replayed = recordings.load(Path(name)) if (name := self._profile.recorded_answers) else Recordings()
        provider = Provider(self._profile, replayed, asyncio.get_running_loop().time())
        server = web.Server(
            _Handler(provider).handle,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=3600.0,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=4096).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or error
            raise UsageError(f"cannot listen on {self._host}:{self._port} ({reason}); choose another --port") from None
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def openai_url(self) -> str:
        """What the openai SDK takes as `base_url`."""
        return f"http://{self._host}:{self._port}/openai/v1"

    @property
    def anthropic_url(self) -> str:
        """What the anthropic SDK takes as `base_url`."""
        return f"http://{self._host}:{self._port}/anthropic"

    @property
    def control_url(self) -> str:
        return f"http://{self._host}:{self._port}/control"


def run(profile: Profile, host: str, port: int, started: Callable[[Server], None]) -> None:
    """Serves until SIGINT or SIGTERM; `started` is called once it listens. Raises UsageError."""
    import uvloop

    # Requests leave few cycles behind: looking for them among thousands in flight would cost a tenth of the CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with Server(profile, host, port) as server:
            started(server)
            await stop.wait()

    uvloop.run(serve())


class _Handler:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        openai, anthropic = OpenAIChat(), AnthropicMessages()
        self._wires: dict[str, Wire] = {
            "/openai/v1/chat/completions": openai,
            "/anthropic/v1/messages": anthropic,
        }
        self._lists: dict[str, Wire] = {"/openai/v1/models": openai, "/anthropic/v1/models": anthropic}
        self._pages: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            ("GET", "/health"): self._health,
            ("GET", "/control"): self._state,
            ("POST", "/control"): self._change,
            ("GET", "/control/requests"): self._requests,
            ("GET", "/control/bill"): self._bill,
            ("GET", "/control/bill/items"): self._bill_items,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if request.method == "POST" and (wire := self._wires.get(path)) is not None:
            return await self._ask(request, wire)
        if (page := self._pages.get((request.method, path))) is not None:
            return await page(request)
        if request.method == "GET" and (listing := self._lists.get(path)) is not None:
            return await self._models(request, listing)
        return _json({"error": {"message": f"no such path: {request.method} {path}", "type": "not_found_error"}}, 404)

    async def _ask(self, request: web.BaseRequest, wire: Wire) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        body = await request.read()
        came = loop.time()
        plan = self._provider.decide(wire, request.headers, body, came, time.time())
        delivered = False
        try:
            if plan.delay_s:
                await asyncio.sleep(came + plan.delay_s - loop.time())
            response = await self._answered(request, plan)
            delivered = True
            return response
        except ConnectionError:
            # The client went while its answer was written: nobody is there to be told.
            return web.Response()
        finally:
            self._provider.finish(plan, loop.time(), delivered=delivered)

    async def _answered(self, request: web.BaseRequest, plan: Plan) -> web.StreamResponse:
        if plan.silence is not None:
            return await _silent(request, plan.silence, plan.reply)
        assert plan.reply is not None
        response = _response(plan.reply)
        # Written here and not by aiohttp: only what went out counts as delivered.
        await response.prepare(request)
        await response.write_eof()
        return response

    async def _models(self, request: web.BaseRequest, wire: Wire) -> web.StreamResponse:
        names = list(self._provider.profile.wire(wire.name).models or known_models(wire.name))
        reply = self._provider.models(wire, request.headers, names, asyncio.get_running_loop().time())
        return await _silent(request, reply, None) if isinstance(reply, Silence) else _response(reply)

    async def _health(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json({"status": "ok", "simulated": True})

    async def _state(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(control.state(self._provider, asyncio.get_running_loop().time()))

    async def _change(self, request: web.BaseRequest) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        try:
            control.change(self._provider, orjson.loads(await request.read()), now)
        except orjson.JSONDecodeError:
            return _json({"error": "the body is not JSON"}, 400)
        except control.ControlError as error:
            return _json({"error": str(error)}, 400)
        return _json(control.state(self._provider, now))

    async def _requests(self, request: web.BaseRequest) -> web.StreamResponse:
        limit = request.rel_url.query.get("limit", "100")
        if not limit.isdecimal():
            return _json({"error": "limit must be a number"}, 400)
        return _json({"requests": self._provider.journal.last(int(limit))})

    async def _bill(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(self._provider.bill.statement())

    async def _bill_items(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json({"items": self._provider.bill.itemised()})


def _request(message: object, payload: object, protocol: object, writer: object, task: object) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)  # type: ignore[arg-type]  # aiohttp's factory type is private


async def _silent(request: web.BaseRequest, silence: Silence, reply: Reply | None) -> web.StreamResponse:
    match silence:
        case Silence.HANG:
            # Ends when the client closes its connection: the handler is cancelled.
            await asyncio.Event().wait()
        case Silence.CUT if reply is not None:
            response = web.StreamResponse(status=reply.status, headers=reply.headers)
            response.content_type = reply.content_type
            response.content_length = len(reply.body)
            await response.prepare(request)
            await response.write(reply.body[: len(reply.body) // 2])
            # RST discards what the client has not read: let the half arrive first.
            await asyncio.sleep(0.02)
    transport = request.transport
    if transport is not None:
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response()


def _response(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, headers=reply.headers, content_type=reply.content_type)


def _json(body: object, status: int = 200) -> web.Response:
    # Outcomes are counted by what they are: members of an enum.
    data = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=data, status=status, content_type="application/json")
