"""PassKit's REST API, noun by noun: what the console reads there."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from jobs.channels.passkit_errors import PassKitError
from jobs.channels.passkit_http import HOSTS, PAGE, Account, Connection, Json, Pages, Wrap, host

__all__ = ["HOSTS", "Account", "PassKit", "PassKitError", "host"]

_INDEX_KEYS = ("carrierCode", "flightNumber", "departureDate", "boardingPoint", "sequenceNumber")
_TICKET_KEYS = ("ticketNumber", "ticketLeg", "boardingPoint")


class PassKit(Connection):
    """One PassKit account. Lists of programs, campaigns and productions take filters bare, others nested."""

    async def profile(self) -> Json:
        """The account's own record: the cheapest check of key and clock."""
        return await self.call("GET", "/user/profile")

    async def programs(self) -> list[Json]:
        """Every membership program."""
        return await self._all("/members/programs/list", _bare)

    async def tiers(self, program_id: str) -> list[Json]:
        """Every tier of a program."""
        return await self._all("/members/tiers/list", _nested(programId=program_id))

    def members(self, program_id: str, offset: int = 0, *, limit: int = PAGE) -> Pages:
        """A program's members, in pages."""
        return self.pages(f"/members/member/list/{_part(program_id)}", _nested(), offset=offset, limit=limit)

    async def count_members(self, program_id: str) -> int:
        """How many members a program has."""
        return await self._count(f"/members/count/{_part(program_id)}", _nested())

    async def member(self, member_id: str) -> Json:
        """One member, fresh."""
        return await self.call("GET", f"/members/member/id/{_part(member_id)}")

    async def campaigns(self) -> list[Json]:
        """Every coupon campaign."""
        return await self._all("/coupon/singleUse/campaigns/list", _bare)

    async def offers(self, campaign_id: str) -> list[Json]:
        """Every offer of a coupon campaign."""
        return await self._all("/coupon/singleUse/offers/list", _nested(campaignId=campaign_id))

    def coupons(self, campaign_id: str, offset: int = 0, *, limit: int = PAGE) -> Pages:
        """A campaign's coupons, in pages."""
        path = f"/coupon/singleUse/coupons/list/{_part(campaign_id)}"
        return self.pages(path, _nested(), offset=offset, limit=limit)

    async def count_coupons(self, campaign_id: str) -> int:
        """How many coupons a campaign has."""
        return await self._count(f"/coupon/singleUse/coupons/count/{_part(campaign_id)}", _nested())

    async def coupon(self, coupon_id: str) -> Json:
        """One coupon, fresh."""
        return await self.call("GET", f"/coupon/singleUse/coupon/{_part(coupon_id)}")

    async def productions(self) -> list[Json]:
        """Every event production."""
        return await self._all("/eventTickets/productions", _bare)

    async def ticket_types(self, production_id: str) -> list[Json]:
        """Every ticket type of a production."""
        return await self._all(f"/eventTickets/ticketTypes/{_part(production_id)}", _nested())

    def tickets(self, production_id: str, offset: int = 0, *, limit: int = PAGE) -> Pages:
        """A production's tickets, in pages."""
        wrap = _nested(productionId=production_id)
        return self.pages("/eventTickets/tickets/list", wrap, offset=offset, limit=limit)

    async def count_tickets(self, production_id: str) -> int:
        """How many tickets a production has."""
        return await self._count("/eventTickets/tickets/count", _nested(productionId=production_id))

    async def ticket(self, ticket_id: str) -> Json:
        """One ticket, fresh."""
        return await self.call("GET", f"/eventTickets/ticket/id/{_part(ticket_id)}")

    async def boarding_record(self, keys: Mapping[str, object], pass_id: str = "") -> Json:
        """One boarding record, fresh, by pass id, else by ticket number and leg, else by flight and sequence.

        PassKit has no list of boarding records: one has to know the keys.
        """
        body: Json
        if pass_id:
            body = {"passId": {"id": pass_id}}
        elif keys.get("ticketNumber"):
            body = {"ticketNumber": {name: keys[name] for name in _TICKET_KEYS if name in keys}}
        else:
            body = {"index": {name: keys[name] for name in _INDEX_KEYS if name in keys}}
        return await self.call("POST", "/flights/boardingRecord", body, reading=True)

    async def template(self, template_id: str) -> Json:
        """One pass template, out of PassKit's reply with name and owner, or bare."""
        found = await self.call("GET", f"/template/data/{_part(template_id)}")
        inner = found.get("template")
        return inner if isinstance(inner, dict) else found

    async def region_hint(self) -> str | None:
        """What to say if the account seems to live in the other region, else None.

        PassKit takes a token in the wrong region too, and then answers 404 for every object. An account
        without any program looks the same from here. Raises as any call does, on a refused key for one.
        """
        for nouns in (self.programs, self.campaigns, self.productions):
            try:
                if await nouns():
                    return None
            except PassKitError as error:
                if error.kind != "not_found":
                    raise
        region = next((name for name, url in HOSTS.items() if url == self.base_url), None)
        there = {"pub1": "pub2 (USA)", "pub2": "pub1 (Europe and Asia)"}.get(region or "", "another region")
        return (
            f"PassKit takes the key at {self.base_url} but shows no program there; "
            f"the account may live in {there}: check passkit.base_url"
        )

    async def _all(self, path: str, wrap: Wrap) -> list[Json]:
        """A short list whole. PassKit: limit -1 means all."""
        return await self._page(path, wrap({"limit": -1}))

    async def _count(self, path: str, wrap: Wrap) -> int:
        total = (await self.call("POST", path, wrap({}), reading=True)).get("total", 0)
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise PassKitError("protocol", f"{path} gives no total", status=200)
        return total


def _bare(filters: Json) -> Json:
    return filters


def _nested(**around: str) -> Wrap:
    return lambda filters: {**around, "filters": filters}


def _part(value: str) -> str:
    return quote(value, safe="")
