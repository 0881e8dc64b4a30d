"""PassKit's routes, as far as the console needs them: what each reads, changes and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from jobs.rehearsal.filters import Fields, Row, matching, named, select
from jobs.rehearsal.messages import Message
from jobs.rehearsal.passes import (
    BOARDING_PASS,
    EVENT_TICKET,
    MEMBERSHIP,
    SINGLE_COUPON,
    Pass,
    PassClass,
    PassKind,
)
from jobs.rehearsal.phones import Phones
from jobs.rehearsal.replies import (
    FAILED_PRECONDITION,
    RESOURCE_EXHAUSTED,
    invalid,
    not_found,
    refused_by_service,
)
from jobs.rehearsal.shapes import (
    BOARDING_REQUEST,
    CAMPAIGN,
    FILTERS,
    LIST_REQUEST,
    OFFER,
    PRODUCTION,
    PROGRAM,
    TEMPLATE,
    TEMPLATE_RESPONSE,
    TICKET_ROW,
    TICKET_TYPE,
    TIER,
)
from jobs.rehearsal.world import World

PERSON_FIELDS = "person.displayName person.forename person.surname person.emailAddress person.mobileNumber"
MEMBER_FIELDS = named(
    MEMBERSHIP.message,
    "id externalId groupingIdentifier tierId status optOut points secondaryPoints tierPoints expiryDate "
    f"created updated {PERSON_FIELDS}",
)
COUPON_FIELDS = named(
    SINGLE_COUPON.message,
    f"id externalId offerId sku status optOut expiryDate created updated {PERSON_FIELDS}",
)
TICKET_FIELDS = named(
    EVENT_TICKET.message,
    "id ticketNumber orderNumber groupingId status expiryDate created updated passMetaData.status "
    f"{PERSON_FIELDS}",
)
PROJECT_FIELDS = "id name status created updated"
PLAIN_FIELDS = "id created updated"
TEMPLATE_FIELDS = Fields(
    TEMPLATE_RESPONSE,
    {"name": ("Name",), "protocol": ("protocol",), "created": ("createdAt",), "updated": ("updatedAt",)},
)

CLASS_ID = {MEMBERSHIP: "programId", SINGLE_COUPON: "campaignId"}
SET_BY_PASSKIT = {
    MEMBERSHIP: ("created", "updated"),
    SINGLE_COUPON: ("created", "updated"),
    EVENT_TICKET: ("created", "updated", "redemptionDetails", "validateDetails"),
    BOARDING_PASS: ("metadata",),
}
"""Fields that an update must leave empty: PassKit's own field rules tag them `validateUpdate:"isdefault"`."""


class Rows(NamedTuple):
    """A streamed answer: a line for each row, every one a full `message`."""

    rows: Iterable[Row]
    message: Message


Answer = dict[str, Any] | Rows
Handler = Callable[[list[str], Any], Answer]


class PassKit:
    """The routes over a world and its phones. A handler takes the path's parameters and the JSON body; it
    returns the answer under 200 or raises `Refusal`, or `Malformed` for a value of the wrong type.

    `clock` gives seconds since 1970.
    """

    def __init__(self, world: World, phones: Phones, clock: Callable[[], float]) -> None:
        self.world = world
        self.phones = phones
        self.clock = clock
        self.routes = _routes(self)

    @contextmanager
    def one_moment(self) -> Iterator[float]:
        """The clock stands still: a change and its line in the journal are of the same moment."""
        clock, at = self.clock, self.clock()
        self.clock = lambda: at
        try:
            yield at
        finally:
            self.clock = clock

    def moment(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"

    # Reading

    def profile(self, _: list[str], __: Any) -> Answer:
        return {
            "email": "operator@example.com", "username": "linden", "companyId": "linden",
            "companyName": "Kaffeehaus Linden", "companyStatus": "1", "createdAt": self.world.founded,
            "expiresAt": None, "regionId": self.world.region, "userStatus": "1", "userPermissions": "1",
            "userId": "linden",
        }  # fmt: skip

    def list_classes(self, kind: PassKind, message: Message) -> Handler:
        fields = named(message, PROJECT_FIELDS)

        def handle(_: list[str], body: Any) -> Answer:
            rows = [self.project(group) for group in self.world.of_kind(kind)]
            return Rows(select(rows, FILTERS.read(body), fields), message)

        return handle

    def list_groups(self, kind: PassKind, message: Message, key: str) -> Handler:
        fields = named(message, PLAIN_FIELDS + (" name tierIndex" if kind is MEMBERSHIP else ""))

        def handle(path: list[str], body: Any) -> Answer:
            request = LIST_REQUEST.read(body)
            class_id = path[0] if path else request.get(key, "")
            if not class_id:
                raise invalid(f"{key} is required")
            return Rows(
                select(self.pass_class(kind, class_id).groups, request.get("filters", {}), fields), message
            )

        return handle

    def list_passes(self, kind: PassKind, fields: Fields) -> Handler:
        def handle(path: list[str], body: Any) -> Answer:
            request = LIST_REQUEST.read(body)
            group = self.pass_class(kind, path[0])
            rows = select(group.rows, request.get("filters", {}), fields)
            # What is asked for as CSV goes out by e-mail and not into the stream.
            return Rows([] if request.get("emailAsCsv") else rows, kind.message)

        return handle

    def count_passes(self, kind: PassKind, fields: Fields) -> Handler:
        def handle(path: list[str], body: Any) -> Answer:
            group = self.pass_class(kind, path[0])
            return {"total": total(group.rows, LIST_REQUEST.read(body).get("filters", {}), fields)}

        return handle

    def get_pass(self, kind: PassKind) -> Handler:
        return lambda path, _: self.full(self.pass_by_id(kind, path[0]))

    def get_by_external(self, kind: PassKind) -> Handler:
        def handle(path: list[str], _: Any) -> Answer:
            self.pass_class(kind, path[0])
            entry = self.world.by_external(path[0], path[1])
            if entry is None:
                raise not_found(kind.name)
            return self.full(entry)

        return handle

    def get_class(self, kind: PassKind, message: Message) -> Handler:
        return lambda path, _: message.full(self.project(self.pass_class(kind, path[0])))

    def project(self, group: PassClass) -> dict[str, Any]:
        """A program, campaign or production, flagged where the quota is spent."""
        if not self.world.over_quota:
            return group.message
        return group.message | {"status": [*group.message["status"], "PROJECT_OVER_QUOTA"]}

    def get_tier(self, path: list[str], _: Any) -> Answer:
        tiers = self.pass_class(MEMBERSHIP, path[0]).groups
        tier = next((tier for tier in tiers if tier["id"] == path[1]), None)
        if tier is None:
            raise not_found("tier")
        return TIER.full(tier)

    def list_tickets(self, _: list[str], body: Any) -> Answer:
        rows, request = self.tickets(body)
        page = select(rows, request.get("filters", {}), TICKET_FIELDS)
        return Rows([] if request.get("emailAsCsv") else map(ticket_row, page), TICKET_ROW)

    def count_tickets(self, _: list[str], body: Any) -> Answer:
        rows, request = self.tickets(body)
        return {"total": total(rows, request.get("filters", {}), TICKET_FIELDS)}

    def tickets(self, body: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The tickets of a production, by its id or its uid, narrowed to an event and a ticket type."""
        request = LIST_REQUEST.read(body)
        wanted = request.get("productionId"), request.get("productionUid")
        if not any(wanted):
            raise invalid("productionId or productionUid is required")
        for group in self.world.of_kind(EVENT_TICKET):
            if group.message["id"] == wanted[0] or group.message["uid"] == wanted[1]:
                event, kind = request.get("eventId"), request.get("ticketTypeId")
                rows = [
                    row
                    for row in group.rows
                    if event in (None, row["event"]["id"]) and kind in (None, row["ticketType"]["id"])
                ]
                return rows, request
        raise not_found("production")

    def get_template(self, path: list[str], _: Any) -> Answer:
        return TEMPLATE_RESPONSE.full(self.template(path[0]))

    def list_templates(self, _: list[str], body: Any) -> Answer:
        rows = list(self.world.templates.values())
        return Rows(select(rows, FILTERS.read(body), TEMPLATE_FIELDS), TEMPLATE_RESPONSE)

    def get_boarding_record(self, _: list[str], body: Any) -> Answer:
        request = BOARDING_REQUEST.read(body)
        if len(request) != 1:
            raise invalid("exactly one of passId, ticketNumber and index is required")
        [(way, keys)] = request.items()
        if way == "passId":
            return self.full(self.pass_by_id(BOARDING_PASS, keys.get("id", "")))
        entry = self.world.by_boarding_key(keys)
        if entry is None:
            raise not_found("boarding record")
        return self.full(entry)

    # Writing

    def put_pass(self, kind: PassKind) -> Handler:
        def handle(_: list[str], body: Any) -> Answer:
            changes = kind.message.read(body)
            entry = self.selected(kind, changes)
            self.write(entry, changes, replace=changes.get("operation") == "OPERATION_PUT")
            return {"id": entry.id}

        return handle

    def put_boarding_record(self, _: list[str], body: Any) -> Answer:
        changes = BOARDING_PASS.message.read(body)
        entry = self.world.by_boarding_key(changes)
        if entry is None:
            raise not_found("boarding record")
        self.write(entry, changes, replace=False)
        return self.full(entry)

    def selected(self, kind: PassKind, changes: dict[str, Any]) -> Pass:
        """The pass an update means: by id, or by its external id within its class."""
        external = changes.get(kind.external, "")
        if kind is EVENT_TICKET:
            class_id = ((changes.get("event") or {}).get("production") or {}).get("id", "")
        else:
            class_id = changes.get(CLASS_ID[kind], "")
        if changes.get("id"):
            entry = self.pass_by_id(kind, changes["id"])
        elif external and class_id:
            found = self.world.by_external(class_id, external)
            if found is None:
                raise not_found(kind.name)
            entry = found
        else:
            raise invalid(f"id, or {kind.external} and the id of its class, is required")
        if external and external != entry.message[kind.external]:
            raise refused_by_service(400, FAILED_PRECONDITION, f"{kind.external} cannot be changed")
        if kind in CLASS_ID and class_id and class_id != entry.message[CLASS_ID[kind]]:
            raise not_found(kind.name)
        if kind is MEMBERSHIP and changes.get("tierId"):
            self.get_tier([entry.message["programId"], changes["tierId"]], None)
        return entry

    def write(self, entry: Pass, changes: dict[str, Any], *, replace: bool) -> None:
        if self.world.over_quota:
            # Nobody has shown PassKit's own words: the code is gRPC's for it, which the gateway makes a 429.
            raise refused_by_service(429, RESOURCE_EXHAUSTED, "the quota of this account is exhausted")
        for name in SET_BY_PASSKIT[entry.kind]:
            if changes.get(name):
                field = name[0].upper() + name[1:]
                raise invalid(f"Field validation for '{field}' failed on the 'isdefault' tag")
        moment = self.moment()
        values = "additionalDataItems" if entry.kind is BOARDING_PASS else "metaData"
        self.phones.watch(
            entry,
            lambda: self.world.change_pass(entry, changes, replace=replace, moment=moment),
            message=values in changes,
            moment=moment,
        )

    def put_template(self, _: list[str], body: Any) -> Answer:
        template = TEMPLATE.read(body)
        identifier = template.get("id", "")
        self.template(identifier)
        template.setdefault("data", {}).setdefault("dataFields", [])
        moment = self.moment()
        self.phones.watch_template(
            identifier, lambda: self.world.change_template(identifier, template, moment), moment
        )
        return TEMPLATE.full(self.world.templates[identifier]["template"])

    # Finding

    def pass_class(self, kind: PassKind, identifier: str) -> PassClass:
        group = self.world.classes.get(identifier)
        if group is None or group.kind is not kind:
            names = {MEMBERSHIP: "program", SINGLE_COUPON: "campaign", EVENT_TICKET: "production"}
            raise not_found(names[kind])
        return group

    def pass_by_id(self, kind: PassKind, identifier: str) -> Pass:
        entry = self.world.passes.get(identifier)
        if entry is None or entry.kind is not kind:
            raise not_found(kind.name)
        return entry

    def template(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.world.templates:
            raise not_found("template")
        return self.world.templates[identifier]

    def full(self, entry: Pass) -> dict[str, Any]:
        return entry.kind.message.full(entry.message)


def _routes(of: PassKit) -> dict[str, dict[str, Handler]]:
    """Where the handlers are reached: path and method."""
    return {
        "/user/profile": {"GET": of.profile},
        "/members/programs/list": {"POST": of.list_classes(MEMBERSHIP, PROGRAM)},
        "/members/program/{}": {"GET": of.get_class(MEMBERSHIP, PROGRAM)},
        "/members/tiers/list": {"POST": of.list_groups(MEMBERSHIP, TIER, "programId")},
        "/members/tier/{}/{}": {"GET": of.get_tier},
        "/members/member/list/{}": {"POST": of.list_passes(MEMBERSHIP, MEMBER_FIELDS)},
        "/members/count/{}": {"POST": of.count_passes(MEMBERSHIP, MEMBER_FIELDS)},
        "/members/member/id/{}": {"GET": of.get_pass(MEMBERSHIP)},
        "/members/member/externalId/{}/{}": {"GET": of.get_by_external(MEMBERSHIP)},
        "/members/member": {"PUT": of.put_pass(MEMBERSHIP)},
        "/coupon/singleUse/campaigns/list": {"POST": of.list_classes(SINGLE_COUPON, CAMPAIGN)},
        "/coupon/singleUse/campaign/{}": {"GET": of.get_class(SINGLE_COUPON, CAMPAIGN)},
        "/coupon/singleUse/offers/list": {"POST": of.list_groups(SINGLE_COUPON, OFFER, "campaignId")},
        "/coupon/singleUse/coupons/list/{}": {"POST": of.list_passes(SINGLE_COUPON, COUPON_FIELDS)},
        "/coupon/singleUse/coupons/count/{}": {"POST": of.count_passes(SINGLE_COUPON, COUPON_FIELDS)},
        "/coupon/singleUse/coupon/{}": {"GET": of.get_pass(SINGLE_COUPON)},
        "/coupon/singleUse/coupon/externalId/{}/{}": {"GET": of.get_by_external(SINGLE_COUPON)},
        "/coupon/singleUse/coupon": {"PUT": of.put_pass(SINGLE_COUPON)},
        "/eventTickets/productions": {"POST": of.list_classes(EVENT_TICKET, PRODUCTION)},
        "/eventTickets/production/{}": {"GET": of.get_class(EVENT_TICKET, PRODUCTION)},
        "/eventTickets/ticketTypes/{}": {"POST": of.list_groups(EVENT_TICKET, TICKET_TYPE, "productionId")},
        "/eventTickets/tickets/list": {"POST": of.list_tickets},
        "/eventTickets/tickets/count": {"POST": of.count_tickets},
        "/eventTickets/ticket/id/{}": {"GET": of.get_pass(EVENT_TICKET)},
        "/eventTickets/ticket": {"PUT": of.put_pass(EVENT_TICKET)},
        "/flights/boardingRecord": {"POST": of.get_boarding_record, "PUT": of.put_boarding_record},
        "/template/data/{}": {"GET": of.get_template},
        "/templates/list": {"POST": of.list_templates},
        "/template": {"PUT": of.put_template},
    }


def total(rows: list[dict[str, Any]], filters: Row, fields: Fields) -> int:
    return sum(1 for _ in matching(rows, filters, fields))


def ticket_row(ticket: Row) -> dict[str, Any]:
    """A ticket as lists give it: fewer fields of event and type, and `optOut` as a boolean."""
    event = ticket["event"]
    return dict(ticket) | {
        "production": event["production"],
        "event": {name: event[name] for name in ("id", "scheduledStartDate", "endDate")},
        "venue": event["venue"],
        "ticketType": {name: ticket["ticketType"][name] for name in ("id", "uid", "name")},
        "optOut": ticket.get("optOut") == "ON",
    }
