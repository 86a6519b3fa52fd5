"""The application: which page is where, who gets to it, and what is said when something is away."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.catalogue import Catalogue
from pipeline.console import forms, mending, seeing, sending, tracing
from pipeline.console.access import Access
from pipeline.console.forms import Form
from pipeline.console.office import Office
from pipeline.console.overview import Overviews
from pipeline.console.pages import STATIC, Pages
from pipeline.console.runs import Runs
from pipeline.console.security import SecurityHeaders
from pipeline.console.sessions import COOKIE, Sessions
from pipeline.console.shared import SharedDesk
from pipeline.console.threads import on_thread
from pipeline.console.visit import Visit
from pipeline.deadletters.actor import Actor
from pipeline.deadletters.desk import Desk
from pipeline.errors import NotAllowedError, PipelineError, UnavailableError, UsageError
from pipeline.settings import Settings

_log = logging.getLogger(__name__)
_GET: Final = ["GET"]
_POST: Final = ["POST"]
Handler = Callable[[Visit], Awaitable[Response]]

_READ: Final[Mapping[str, Handler]] = {
    "/": seeing.overview,
    "/overview": seeing.overview_part,
    "/dead-letters": seeing.dead_letters,
    "/dead-letters/one": seeing.dead_letter,
    "/dead-letters/close": mending.closing,
    "/replays": sending.replays,
    "/replays/preview": sending.preview,
    "/replays/{replay_id}": sending.replay,
    "/replays/{replay_id}/events": sending.events,
    "/trace": tracing.trace,
    "/audit": seeing.audit,
}
_DONE: Final[Mapping[str, Handler]] = {
    "/dead-letters/one": mending.reveal,
    "/dead-letters/edit": mending.edit,
    "/dead-letters/close": mending.close,
    "/replays": sending.send,
    "/replays/{replay_id}/stop": sending.stop,
    "/trace": tracing.reveal,
    "/enrichments/{name}/resume": mending.resume,
}


class Console:
    """Routes, sign-ins and answers of one console."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        access: Access,
        opener: Callable[[], Desk],
        knock: Callable[[], object] = lambda: None,
    ) -> None:
        """`opener` opens the desk when a page first needs it, on a thread; `knock` raises when Kafka is away."""
        self._access, self._https = access, settings.console.https
        self._sessions = Sessions(settings.console.session.total_seconds())
        desk = SharedDesk(opener, knock)
        overviews = Overviews(settings, catalogue, desk.fresh)
        self._office = Office(settings, catalogue, desk, Runs(), overviews, Pages())

    def application(self) -> Starlette:
        """For a server."""
        routes = [Route(path, self._known(handler), methods=_GET) for path, handler in _READ.items()]
        routes += [Route(path, self._known(handler), methods=_POST) for path, handler in _DONE.items()]
        return Starlette(
            routes=[
                Mount("/static", _Static(directory=STATIC)),
                Route("/sign-in", self._answering(self._signing_in), methods=_GET),
                Route("/sign-in", self._answering(self._sign_in), methods=_POST),
                Route("/sign-out", self._answering(self._sign_out), methods=_POST),
                *routes,
            ],
            middleware=[Middleware(SecurityHeaders, https=self._https)],
            exception_handlers={HTTPException: self._no_page},
            lifespan=self._living,
        )

    # ---- who is there

    def _known(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A page for people who are known; a form only when it was made for this visit."""

        async def answer(request: Request) -> Response:
            visit = request.cookies.get(COOKIE, "")
            signed, proxied = self._sessions.actor(visit, time.monotonic()), self._by_proxy(request)
            actor = signed or proxied
            if actor is None:
                return self._to_sign_in(request)
            if request.method == "POST":
                form = await forms.of_body(request)
                self._require_own(request, visit, form)
            else:
                form = forms.of_query(request)
            made = visit or Sessions.new_visit()
            sign = self._sessions.form_sign(made)

            def lasts() -> bool:
                return signed is None or self._sessions.actor(visit, time.monotonic()) is not None

            response = await handler(Visit(request, actor, form, sign, signed is not None, self._office, lasts))
            if not visit:
                self._remember(response, made)
            return response

        return self._answering(answer)

    def _by_proxy(self, request: Request) -> Actor | None:
        return self._access.by_proxy(request.client.host if request.client else "", request.headers)

    def _require_own(self, request: Request, visit: str, form: Form) -> None:
        """Raises HTTPException when another site made the form."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if site not in ("same-origin", "none") or not self._sessions.knows_form(visit, form.text("form_sign")):
            _log.warning("a form that was not made here was refused at %s", request.url.path)
            raise HTTPException(403, "This form was not made for you, or is too old. Nothing was done: open it anew.")

    def _to_sign_in(self, request: Request) -> Response:
        if "HX-Request" in request.headers:
            return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
        if request.method == "GET" and request.headers.get("Accept") != "text/event-stream":
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(asked, safe='')}", 303)
        raise HTTPException(401, "Nobody is signed in here any more. Nothing was done: sign in and do it again.")

    # ---- signing in and out

    async def _signing_in(self, request: Request) -> Response:
        if self._by_proxy(request) is not None:
            return RedirectResponse(_inside(request.query_params.get("next", "/")), 303)
        return self._door(request, request.query_params.get("next", "/"))

    async def _sign_in(self, request: Request) -> Response:
        form = await forms.of_body(request)
        self._require_own(request, request.cookies.get(COOKIE, ""), form)
        actor = self._access.by_token(form.text("token"))
        if actor is None:
            _log.warning("a sign-in was refused: no such token")
            return self._door(request, form.text("next"), "This is nobody's token.", 403)
        _log.info("%s signed in", actor.name)
        response = RedirectResponse(_inside(form.text("next")), 303)
        self._remember(response, self._sessions.sign_in(actor, time.monotonic()))
        return response

    async def _sign_out(self, request: Request) -> Response:
        visit = request.cookies.get(COOKIE, "")
        self._require_own(request, visit, await forms.of_body(request))
        self._sessions.sign_out(visit)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(COOKIE, path="/", secure=self._https, httponly=True, samesite="lax")
        return response

    def _door(self, request: Request, following: str, trouble: str = "", status: int = 200) -> Response:
        kept = request.cookies.get(COOKIE, "")
        visit = kept or Sessions.new_visit()
        page = self._office.pages.render(
            "sign_in.html",
            form_sign=self._sessions.form_sign(visit),
            following=_inside(following),
            trouble=trouble,
            by_tokens=self._access.by_tokens,
        )
        response = HTMLResponse(page, status)
        if not kept:
            self._remember(response, visit)
        return response

    def _remember(self, response: Response, visit: str) -> None:
        """Lax: were it kept from who follows a link from elsewhere, a new visit would take the place of theirs.
        Forms are known by their own sign."""
        response.set_cookie(COOKIE, visit, path="/", secure=self._https, httponly=True, samesite="lax")

    # ---- what is said when something is wrong

    def _answering(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except NotAllowedError as error:
                return self._trouble(403, "Not allowed", f"{error}. That you tried is in the audit.")
            except UsageError as error:
                return self._trouble(400, "That cannot be done", str(error))
            except UnavailableError as error:
                return self._trouble(503, "Something is away", str(error))
            except PipelineError as error:
                return self._trouble(500, "It failed", str(error))
            except HTTPException:
                raise
            except Exception as error:  # noqa: BLE001  # its text may quote a record: only its kind and place are told
                frame = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{type(error).__name__} in {frame.name}, line {frame.lineno}"
                _log.error("%s %s: unexpected %s", request.method, request.url.path, place)
                return self._trouble(500, "A defect of the console", f"unexpected {place}: please report it")

        return answer

    async def _no_page(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        told = str(error.detail) if isinstance(error, HTTPException) else ""
        titles = {401: "Signed out", 403: "Refused", 404: "No such page", 405: "Not like this"}
        if status == 404:
            told = "There is nothing at this address. Begin at the overview."
        return self._trouble(status, titles.get(status, "It failed"), told)

    def _trouble(self, status: int, title: str, told: str) -> Response:
        return HTMLResponse(self._office.pages.render("trouble.html", title=title, told=told, status=status), status)

    # ---- its life

    @asynccontextmanager
    async def _living(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await on_thread(self._office.runs.close)


class _Static(StaticFiles):
    """Their addresses change with their content: caches may keep them."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response


def _inside(address: str) -> str:
    """An address of the console; anything else becomes its first page."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain else "/"
