"""What the stand-in's account holds. Seeded and deterministic; it has no I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.rehearsal.passes import BOARDING_PASS, MEMBERSHIP, SINGLE_COUPON, Pass, PassClass, PassKind
from jobs.rehearsal.population import Population

READ_ONLY = {
    "id", "externalId", "ticketNumber", "ticketLeg", "programId", "campaignId", "event", "ticketType",
    "passMetaData", "metadata", "created", "updated", "operation", "redemptionDetails", "validateDetails",
    "carrierCode", "flightNumber", "departureDate", "boardingPoint", "sequenceNumber",
}  # fmt: skip


class World:
    """One account with the programs "Kaffeehaus Linden" (`members` members in three tiers), "Linden Coffee
    Coupons" (a twentieth as many), "Linden Live" (a fortieth) and boarding records (a hundredth, but at least
    twelve). The same seed and number make the same world, to the last id.
    """

    def __init__(self, seed: int, members: int, *, region: str = "pub1") -> None:
        population = Population(seed, members)
        self.seed = seed
        self.region = region
        self.founded = population.founded
        self.classes = population.classes
        self.templates = population.templates
        self.boarding = population.boarding
        self._flight_template = population.flight_template
        self.passes: dict[str, Pass] = {entry.id: entry for entry in self.everyone()}
        self._external = {
            (identifier, entry.message[group.kind.external]): entry
            for identifier, group in self.classes.items()
            for entry in group.passes
        }
        self._boarding = {key: entry for entry in self.boarding for key in boarding_keys(entry.message)}
        self.over_quota = False
        self._alerting: dict[str, list[tuple[str, str, str]]] = {}

    def everyone(self) -> Iterator[Pass]:
        """Every pass of every kind."""
        for group in self.classes.values():
            yield from group.passes
        yield from self.boarding

    def of_kind(self, kind: PassKind) -> list[PassClass]:
        """The programs, campaigns or productions."""
        return [group for group in self.classes.values() if group.kind is kind]

    def by_external(self, class_id: str, external: str) -> Pass | None:
        return self._external.get((class_id, external))

    def by_boarding_key(self, keys: Mapping[str, Any]) -> Pass | None:
        """A boarding record by its ticket or by its flight, date and sequence number."""
        return next((self._boarding[key] for key in boarding_keys(keys) if key in self._boarding), None)

    def template_of(self, entry: Pass) -> str:
        """The id of the design that the pass shows now: coupons and tickets change theirs when redeemed."""
        if entry.kind is BOARDING_PASS:
            return self._flight_template
        message = entry.message
        if entry.kind is MEMBERSHIP:
            class_id, group_id = message["programId"], message["tierId"]
        elif entry.kind is SINGLE_COUPON:
            class_id, group_id = message["campaignId"], message["offerId"]
        else:
            class_id, group_id = message["ticketType"]["productionId"], message["ticketType"]["id"]
        group = next(group for group in self.classes[class_id].groups if group["id"] == group_id)
        if entry.kind is MEMBERSHIP:
            identifier: str = group["passTemplateId"]
        else:
            redeemed = message.get("status") == "REDEEMED"
            identifier = group["afterRedeemPassTemplateId" if redeemed else "beforeRedeemPassTemplateId"]
        return identifier

    def alerting_fields(self, template_id: str) -> list[tuple[str, str, str]]:
        """Fields of a design that may alert: (uniqueName, changeMessage, default text)."""
        fields = self._alerting.get(template_id)
        if fields is None:
            fields = self._alerting[template_id] = [
                (field["uniqueName"], render["changeMessage"], field.get("defaultValue", ""))
                for field in self.templates[template_id]["template"]["data"]["dataFields"]
                if "%@"
                in (render := field.get("appleWalletFieldRenderOptions") or {}).get("changeMessage", "")
            ]
        return fields

    def change_template(self, template_id: str, template: dict[str, Any], moment: str) -> None:
        """Puts a design in the place of the old one and counts its revision up."""
        entry = self.templates[template_id]
        revision = entry["revision"] + 1
        entry.update(template=template | {"revision": revision}, revision=revision, updatedAt=moment)
        entry["Name"] = template.get("name", "")
        self._alerting.pop(template_id, None)

    def change_pass(self, entry: Pass, changes: Mapping[str, Any], *, replace: bool, moment: str) -> None:
        """Writes what may be written. As PATCH, missing and falsy values are ignored; with `replace` (PUT) a
        field that was not sent becomes empty, for proto3 cannot tell it from one sent empty. Maps and
        messages, metaData among them, are replaced whole either way."""
        message, fields = entry.message, entry.kind.message
        if replace:
            for name in fields.fields.keys() - READ_ONLY - changes.keys() - {"tierId", "offerId"}:
                message.pop(name, None)
        for name, value in changes.items():
            if name not in READ_ONLY and (replace or not fields.is_empty(name, value)):
                message[name] = value
        if entry.kind is not BOARDING_PASS:
            message["updated"] = moment
        entry.metadata["lastUpdatedAt"] = moment


def boarding_keys(record: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The keys under which a boarding record can be found, as far as `record` has their fields."""
    point = record.get("boardingPoint")
    keys: list[tuple[Any, ...]] = []
    if record.get("ticketNumber") and record.get("ticketLeg"):
        keys.append((record["ticketNumber"], record["ticketLeg"]))
    date = record.get("departureDate") or {}
    flight = [record.get(name) for name in ("carrierCode", "flightNumber", "sequenceNumber")]
    if all(flight) and point and date:
        keys.append((*flight, point, date.get("year"), date.get("month"), date.get("day")))
    return keys
