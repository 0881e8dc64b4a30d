"""Who lives in the stand-in's world: programs, designs and holders, drawn from a seed."""

from __future__ import annotations

import string
from datetime import datetime, timedelta
from random import Random
from typing import Any

from jobs.rehearsal.designs import design
from jobs.rehearsal.messages import plain_number
from jobs.rehearsal.names import CITIES, FORENAMES, ODD_NAMES, SURNAMES
from jobs.rehearsal.passes import BOARDING_PASS, EVENT_TICKET, MEMBERSHIP, SINGLE_COUPON, Pass, PassClass

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
LIVE = ["PROJECT_ACTIVE_FOR_OBJECT_CREATION", "PROJECT_PUBLISHED"]
SPAN = timedelta(days=730)
PASS_TYPE = "pass.com.example.linden"
TIERS = ("bronze", "silver", "gold")
OFFERS = ("Double points this week", "Free refill on Friday", "Zweiter Kaffee gratis ☕")

INSTALLED = {
    "apple": ["RENDERED", "APPLE_PASS_CREATED", "INSTALLED_APPLE"],
    "google": ["RENDERED", "GOOGLE_PAY_RECORD_CREATED", "INSTALLED_GOOGLE"],
    "both": ["RENDERED", "APPLE_PASS_CREATED", "INSTALLED_APPLE", "GOOGLE_PAY_RECORD_CREATED",
    "INSTALLED_GOOGLE"],
    "again": ["RENDERED", "APPLE_PASS_CREATED", "INSTALLED_APPLE", "UNINSTALLED_APPLE", "INSTALLED_APPLE"],
    "left apple": [
        "RENDERED", "APPLE_PASS_CREATED", "INSTALLED_APPLE", "UNINSTALLED_APPLE", "GOOGLE_PAY_RECORD_CREATED",
        "INSTALLED_GOOGLE",
    ],
}  # fmt: skip
DEVICES = {"apple": ["Ios"], "google": ["Android"], "both": ["Ios", "Android"]}


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.isoformat(timespec="seconds") + "Z"


class Population:
    """The content of a world. Each part draws from its own stream of chance."""

    def __init__(self, seed: int, members: int) -> None:
        self.seed = seed
        self.classes: dict[str, PassClass] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.boarding: list[Pass] = []
        self.base = datetime(2025, 6, 1) + timedelta(days=seed % 180)
        """The fixed date before which everything was created, in UTC, without a zone for speed."""
        self.founded = stamp(self.base - SPAN)
        self.random = Random(f"{seed}/classes")
        self.membership(members)
        self.coupons(members // 20)
        self.tickets(members // 40)
        self.flights(max(12, members // 100))

    def stream(self, part: str) -> None:
        self.random = Random(f"{self.seed}/{part}")

    def identifier(self) -> str:
        """22 characters of base62, as PassKit packs a UUID."""
        return "".join(self.random.choices(BASE62, k=22))

    def template(self, name: str, protocol: str) -> str:
        identifier = self.identifier()
        self.templates[identifier] = design(identifier, name, protocol, self.founded)
        return identifier

    def dated(self) -> dict[str, str]:
        return {"created": self.founded, "updated": self.founded}

    def project(self, name: str) -> dict[str, Any]:
        return {
            "id": self.identifier(), "name": name, "status": LIVE, "passTypeIdentifier": PASS_TYPE,
            **self.dated(),
        }  # fmt: skip

    def membership(self, count: int) -> None:
        program = self.project("Kaffeehaus Linden") | {
            "autoDeleteDaysAfterExpiry": 90,
            "pointsType": {"balanceType": "BALANCE_TYPE_INT", "currencyCode": ""},
            "metaFieldsList": ["zip", "city", "latestOffer"],
        }
        tiers = [
            {
                "id": tier,
                "tierIndex": index,
                "name": tier.capitalize(),
                "programId": program["id"],
                "passTemplateId": self.template(f"Linden {tier.capitalize()}", "MEMBERSHIP"),
                "timezone": "Europe/Berlin",
                "shortCode": f"KL{index}",
                **self.dated(),
            }
            for index, tier in enumerate(TIERS, start=1)
        ]
        self.stream("members")
        members = [
            Pass(MEMBERSHIP, self.member(program["id"], number, count)) for number in range(1, count + 1)
        ]
        program["metrics"] = metrics(members)
        self.classes[program["id"]] = PassClass(MEMBERSHIP, program, tiers, members)

    def member(self, program_id: str, number: int, count: int) -> dict[str, Any]:
        draw = self.random.random
        tier = TIERS[0 if (luck := draw()) < 0.6 else 1 if luck < 0.88 else 2]
        message = self.holder(number, count) | {
            "externalId": f"KL-{number:06d}", "programId": program_id, "tierId": tier,
            "status": "ENROLLED" if draw() < 0.3 else "ACTIVE",
        }  # fmt: skip
        if draw() > 0.03:
            points = draw() ** 2 * {"bronze": 900, "silver": 2500, "gold": 9000}[tier]
            message["points"] = plain_number(round(points * 2) / 2 if number % 10 == 0 else round(points))
            message["tierPoints"] = int(points * 1.4)
        if draw() < 0.04:
            message["optOut"] = True
        if draw() < 0.01:
            message["status"] = "EXPIRED"
            message["expiryDate"] = stamp(self.base - timedelta(days=1 + int(draw() * 60)))
        return message

    def coupons(self, count: int) -> None:
        self.stream("coupons")
        campaign = self.project("Linden Coffee Coupons") | {"ianaTimezone": "Europe/Berlin"}
        offers = [
            {
                "id": self.identifier(),
                "offerTitle": title,
                "offerShortTitle": title,
                "campaignId": campaign["id"],
                "beforeRedeemPassTemplateId": self.template(title, "SINGLE_USE_COUPON"),
                "afterRedeemPassTemplateId": self.template(f"{title} (redeemed)", "SINGLE_USE_COUPON"),
                "ianaTimezone": "Europe/Berlin",
                **self.dated(),
            }
            for title in ("Free espresso", "Two for one")
        ]
        coupons = []
        for number in range(1, count + 1):
            message = self.holder(number, count) | {
                "externalId": f"CP-{number:06d}", "campaignId": campaign["id"],
                "offerId": offers[number % len(offers)]["id"], "sku": "ESPRESSO",
                "expiryDate": stamp(self.base + timedelta(days=365)),
            }  # fmt: skip
            if self.random.random() < 0.1:
                message["status"] = "REDEEMED"
            if self.random.random() < 0.04:
                message["optOut"] = True
            coupons.append(Pass(SINGLE_COUPON, message))
        self.classes[campaign["id"]] = PassClass(SINGLE_COUPON, campaign, offers, coupons)

    def tickets(self, count: int) -> None:
        self.stream("tickets")
        production = self.project("Linden Live") | {"uid": "linden-live"}
        types = [
            {
                "id": self.identifier(),
                "uid": uid,
                "productionId": production["id"],
                "name": name,
                "beforeRedeemPassTemplateId": self.template(f"Linden Live {name}", "EVENT_TICKETING"),
                "afterRedeemPassTemplateId": self.template(f"Linden Live {name} (used)", "EVENT_TICKETING"),
                **self.dated(),
            }
            for uid, name in (("stalls", "Stalls"), ("balcony", "Balcony"))
        ]
        starts = self.base + timedelta(days=30)
        event = {
            "id": self.identifier(),
            "production": {name: production[name] for name in ("id", "uid", "name")},
            "venue": {"id": self.identifier(), "uid": "hall", "name": "Lindenhalle"},
            "scheduledStartDate": stamp(starts),
            "endDate": stamp(starts + timedelta(hours=3)),
        }
        tickets = []
        for number in range(1, count + 1):
            kind = types[number % len(types)]
            message = self.holder(number, count) | {
                "ticketNumber": f"LIVE-{number:05d}", "orderNumber": f"ORDER-{(number + 1) // 2:05d}",
                "event": event, "ticketType": {name: kind[name] for name in ("id", "uid", "productionId",
                "name")},
                "seatInfo": {"seat": str(number % 40 + 1), "row": string.ascii_uppercase[number // 40 % 26]},
                "faceValue": {"amount": 24.5, "currency": "EUR"},
                "status": "REDEEMED" if self.random.random() < 0.05 else "ISSUED",
                "optOut": "ON" if self.random.random() < 0.04 else "OFF",
            }  # fmt: skip
            tickets.append(Pass(EVENT_TICKET, message))
        self.classes[production["id"]] = PassClass(EVENT_TICKET, production, types, tickets)

    def flights(self, count: int) -> None:
        self.stream("flights")
        self.flight_template = self.template("Linden Air", "FLIGHT_PROTOCOL")
        for number in range(1, count + 1):
            holder = self.holder(number, count)
            departs = self.base + timedelta(days=1 + number % 60)
            message = {
                "id": holder["id"], "operatingCarrierPNR": "".join(self.random.choices(BASE62[10:36], k=6)),
                "ticketNumber": f"220{number:010d}", "ticketLeg": 1, "boardingPoint": "DRS",
                "deplaningPoint": "FRA", "carrierCode": "LN", "flightNumber": str(100 + number % 7),
                "departureDate": {"year": departs.year, "month": departs.month, "day": departs.day},
                "sequenceNumber": number, "seatNumber": f"{number % 30 + 1}A",
                "passenger": {"passengerDetails": holder.get("person", {})},
                "additionalDataItems": {"items": holder.get("metaData", {})},
                "metadata": holder["passMetaData"],
            }  # fmt: skip
            self.boarding.append(Pass(BOARDING_PASS, message))

    def holder(self, number: int, count: int) -> dict[str, Any]:
        """What holders of all kinds have: id, person, free values, the state of the pass, the times. The
        moments of creation rise with the number."""
        draw = self.random.random
        created = self.base - SPAN + SPAN * ((number - 1 + draw()) / count)
        pass_metadata, last = self.pass_metadata(created, (self.base - created) * draw())
        message: dict[str, Any] = {
            "id": self.identifier(), "passMetaData": pass_metadata, "created": stamp(created),
            "updated": stamp(last),
        }  # fmt: skip
        if person := self.person(number):
            message["person"] = person
        if draw() > 0.02:
            city, postcode = CITIES[int(draw() * len(CITIES))]
            message["metaData"] = {"zip": postcode, "city": city}
            if draw() < 0.3:
                message["metaData"]["latestOffer"] = OFFERS[int(draw() * len(OFFERS))]
        return message

    def person(self, number: int) -> dict[str, Any] | None:
        draw = self.random.random
        forename, surname = FORENAMES[int(draw() * len(FORENAMES))], SURNAMES[int(draw() * len(SURNAMES))]
        birth, luck = int(draw() * 366 * 60), draw()
        if luck < 0.01:
            return None
        person: dict[str, Any] = {
            "forename": forename,
            "surname": surname,
            "displayName": f"{forename} {surname}",
        }
        if number % 23 == 7:
            person = {"displayName": ODD_NAMES[number // 23 % len(ODD_NAMES)]}
        if luck > 0.05:
            person["emailAddress"] = f"holder{number}@example.com"
        if luck > 0.25:
            born = datetime(1945, 1, 1) + timedelta(days=birth)
            person["dateOfBirth"] = {"year": born.year, "month": born.month, "day": born.day}
        elif luck > 0.22:
            person["dateOfBirth"] = {"month": 2, "day": 29}
        return person

    def pass_metadata(self, created: datetime, age: timedelta) -> tuple[dict[str, Any], datetime]:
        """The state of a pass, and the moment of its last change: 86 of 100 are installed."""
        draw = self.random.random
        luck, wallet_luck = draw(), draw()
        shares = {"apple": 0.72, "google": 0.88, "both": 0.96, "again": 0.98, "left apple": 1.0}
        wallet = next(name for name, until in shares.items() if wallet_luck < until)
        issued, last = stamp(created), created + age
        changed = stamp(last)
        metadata: dict[str, Any] = {"issueAt": issued, "lastUpdatedAt": changed}
        if luck < 0.06:
            return metadata | {"status": "PASS_ISSUED", "lifecycleEvents": []}, last
        installed = {
            "renderedAt": issued, "firstInstalledAt": issued, "lastInstalledAt": issued,
            "installDeviceAttributes": DEVICES.get(wallet, ["Ios"]),
        }  # fmt: skip
        if luck < 0.92:
            return metadata | installed | {
                "status": "PASS_INSTALLED",
                "lifecycleEvents": INSTALLED[wallet],
            }, last
        if luck < 0.97:
            wallet = "google" if wallet == "google" else "apple"
            gone = {"firstUninstalledAt": changed, "lastUninstalledAt": changed, "status": "PASS_UNINSTALLED"}
            events = [*INSTALLED[wallet], f"UNINSTALLED_{wallet.upper()}"]
        else:
            gone = {"invalidatedAt": changed, "status": "PASS_INVALIDATED"}
            events = [*INSTALLED[wallet], "INVALIDATE_REQUESTED", "INVALIDATE_CONFIRMED"]
        return metadata | installed | gone | {"lifecycleEvents": events}, last


def metrics(members: list[Pass]) -> dict[str, str]:
    """A program's counters, as 64-bit numbers travel: in quotes."""
    seen = [event for member in members for event in set(member.metadata["lifecycleEvents"])]
    return {
        "created": str(len(members)),
        "appleWalletInstalls": str(seen.count("INSTALLED_APPLE")),
        "googlePayInstalls": str(seen.count("INSTALLED_GOOGLE")),
        "appleWalletUninstalls": str(seen.count("UNINSTALLED_APPLE")),
        "googlePayUninstalls": str(seen.count("UNINSTALLED_GOOGLE")),
        "invalidations": str(seen.count("INVALIDATE_CONFIRMED")),
    }
