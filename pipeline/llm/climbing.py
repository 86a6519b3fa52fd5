"""Up the ladder of tiers until an answer is valid and sure enough, or nobody is left to ask."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TypeVar

from pipeline.errors import AnswerError, BudgetError, CallError, ProvidersOutError
from pipeline.llm.answers import correction, decode
from pipeline.llm.asking import Asking
from pipeline.llm.calling import Caller
from pipeline.llm.policy import GatewayPolicy
from pipeline.llm.providers.provider import Account, Stop
from pipeline.llm.question import Completion, InvalidAnswerError, Outcome, Question, Tier
from pipeline.llm.retry import backoff_s
from pipeline.llm.routes import Routes
from pipeline.llm.routing import Rung

T = TypeVar("T")


class Climber:
    """Decides who is asked next, and when to wait."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        routes: Routes,
        caller: Caller,
        policy: GatewayPolicy,
        draw: random.Random,
    ) -> None:
        self._accounts = accounts
        self._routes = routes
        self._caller = caller
        self._policy = policy
        self._draw = draw

    async def climb(self, asking: Asking[T]) -> Completion[T]:
        """Raises CallError when no tier gives an answer to use."""
        while (rung := await self._next_rung(asking)) is not None:
            try:
                found = await self._ask_tier(asking, rung)
            except (BudgetError, ProvidersOutError, AnswerError):
                if asking.kept is None:
                    raise
                break  # no second opinion can be had, and the first one is valid
            if found is None:
                continue
            answer, rung = found
            tier = rung.tier
            simulated = self._accounts[tier.provider].simulated
            unsure = _unsure(asking.question, answer, tier)
            asking.provisional = unsure and bool(asking.ladder.above(rung))
            if not unsure or not asking.ladder.stronger(rung):
                return asking.completion(answer, tier, simulated=simulated)
            asking.kept = (answer, tier, simulated)
            asking.ladder.rule_out(rung)
        if asking.kept is not None:
            answer, tier, simulated = asking.kept
            return asking.completion(answer, tier, simulated=simulated)
        raise asking.end()

    async def _next_rung(self, asking: Asking[T]) -> Rung | None:
        """The best tier that may be asked now; waits while all are out. None when none is left to ask.

        With a valid answer in hand nobody is waited for, and only stronger tiers are worth a call.
        """
        while True:
            candidates = asking.ladder.candidates()
            up = [rung for rung in candidates if self._routes.of(rung.tier).available()]
            fresh = [rung for rung in up if rung.place not in asking.resting]
            if asking.kept is not None:
                return next((rung for rung in fresh if asking.ladder.reached(rung)), None)
            if fresh:
                return fresh[0]
            if not candidates:
                return None
            asking.resting.clear()
            if up:
                await self._rest(asking)
            else:
                await self._park(asking, candidates)

    async def _park(self, asking: Asking[T], candidates: list[Rung]) -> None:
        """Waits until one of the candidates' providers may be back."""
        if asking.has_backup or not asking.question.patient:
            raise asking.nobody()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for route in {id(route): route for route in (self._routes.of(rung.tier) for rung in candidates)}.values():
            route.park(waiter)
        try:
            async with asyncio.timeout(asking.left_s()):
                await waiter
        except TimeoutError:
            raise asking.outage() from None
        finally:
            waiter.cancel()

    async def _rest(self, asking: Asking[T]) -> None:
        """Every tier failed this record in turn though it is up: a longer pause, then from the top."""
        if asking.failures >= self._policy.retry.failures:
            raise CallError("models that answer others failed on this request each time")
        pause_s = backoff_s(self._policy.retry, asking.failures, None, self._draw)
        left_s = asking.left_s()
        if left_s is not None and left_s <= pause_s:
            raise asking.outage()
        await asyncio.sleep(pause_s)

    async def _ask_tier(self, asking: Asking[T], rung: Rung) -> tuple[T, Rung] | None:
        """Asks one tier until it answers validly; the answer, and who gave it. None when the record has to go on."""
        tier, question = rung.tier, asking.question
        told, corrections, room = "", 0, tier.max_tokens
        while True:
            if asking.overdue:
                raise asking.late()
            answered = await self._caller.call(asking, rung, told, room)
            if answered is None:
                return None
            stop = answered.reply.stop
            if stop is Stop.REFUSAL:
                self._caller.write_down(asking, answered, Outcome.REFUSED)
                asking.ladder.rule_out_provider(answered.rung)
                return None
            if stop is Stop.LENGTH:
                self._caller.write_down(asking, answered, Outcome.TRUNCATED)
                if room > tier.max_tokens:
                    asking.ladder.rule_out(rung)
                    return None
                room = self._caller.more_room(asking, tier.max_tokens)
                if room <= tier.max_tokens:
                    asking.ladder.rule_out(rung)
                    return None
                continue
            try:
                data = decode(answered.reply.text)
                answer = question.read(data)
                declined = _below(question, answer, answered.rung.tier.decline_below)
                unsure = declined or _unsure(question, answer, answered.rung.tier)
            except Exception as error:
                # Paid for, whatever else is wrong with it: with the code that reads it, too.
                self._caller.write_down(asking, answered, Outcome.INVALID)
                if not isinstance(error, InvalidAnswerError):
                    raise
                if corrections >= self._policy.corrections:
                    asking.ladder.rule_out(rung)
                    return None
                corrections += 1
                told = correction(error.problems)
                continue
            self._caller.write_down(asking, answered, Outcome.UNSURE if unsure else Outcome.ANSWERED)
            if declined:
                asking.ladder.rule_out(rung)
                return None
            # A classifier's answer is not kept: it costs nothing, and models should answer when they are back.
            asking.data = None if self._accounts[tier.provider].in_process else data
            return answer, answered.rung


def _unsure(question: Question[T], answer: T, tier: Tier) -> bool:
    return _below(question, answer, tier.escalate_below)


def _below(question: Question[T], answer: T, least: float | None) -> bool:
    return least is not None and question.confidence is not None and question.confidence(answer) < least
