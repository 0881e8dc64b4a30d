"""What phones would have shown: the shown values of each pass, the alerts, and the sins of whoever writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jobs.rehearsal.designs import message_field
from jobs.rehearsal.passes import Pass
from jobs.rehearsal.world import World


class Alert(NamedTuple):
    """A line on a lock screen, and when it came (RFC 3339)."""

    text: str
    at: str


class Phones:
    """Looks at passes before and after each change. An alert comes only if the text of a field changed, the
    design's changeMessage for it holds `%@`, and an Apple wallet holds the pass: Google shows no such
    message."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alerts: dict[str, list[Alert]] = defaultdict(list)
        self.forget()

    def forget(self) -> None:
        """Starts all counts and alerts anew; the shown values stay."""
        self.alerts.clear()
        self.changed: set[str] = set()
        self.alerted_twice: set[str] = set()
        self.alert_count = 0
        self.duplicate_writes = 0
        self.opted_out = 0
        self.not_installed = 0

    def watch(self, entry: Pass, change: Callable[[], None], *, message: bool, moment: str) -> None:
        """Makes a change to a pass and keeps what its phone makes of it. `message` says that the request
        wrote the free values, in which a message travels."""
        values, before = entry.values, self.alerting(entry)
        if message:
            self.opted_out += entry.opted_out
            self.not_installed += not entry.installed
        change()
        if message:
            if entry.values == values:
                self.duplicate_writes += 1
            else:
                self.changed.add(entry.id)
        self.compare(entry, before, moment)

    def watch_template(self, template_id: str, change: Callable[[], None], moment: str) -> None:
        """The same for a change to a design, which every pass that wears it shows."""
        wearers = [
            entry for entry in self.world.passes.values() if self.world.template_of(entry) == template_id
        ]
        before = [self.alerting(entry) for entry in wearers]
        change()
        for entry, old in zip(wearers, before, strict=True):
            self.compare(entry, old, moment)

    def compare(self, entry: Pass, before: Mapping[str, str], moment: str) -> None:
        after = self.alerting(entry)
        if after == before or not entry.on_apple:
            return
        messages = {name: text for name, text, _ in self.world.alerting_fields(self.world.template_of(entry))}
        for name, text in after.items():
            if name in before and text != before[name] and text:
                self.alert(entry.id, messages[name].replace("%@", text), moment)

    def alert(self, pass_id: str, text: str, moment: str) -> None:
        alerts = self.alerts[pass_id]
        if any(text == earlier.text for earlier in alerts):
            self.alerted_twice.add(pass_id)
        alerts.append(Alert(text, moment))
        self.alert_count += 1

    def alerting(self, entry: Pass) -> dict[str, str]:
        """The texts of the fields that may alert."""
        fields = self.world.alerting_fields(self.world.template_of(entry))
        return {name: text_of(entry, name, default) for name, _, default in fields}

    def shown(self, entry: Pass) -> dict[str, str]:
        """The texts of all fields that the design of the pass shows."""
        template = self.world.templates[self.world.template_of(entry)]["template"]
        return {
            field["uniqueName"]: text_of(entry, field["uniqueName"], field.get("defaultValue", ""))
            for field in template["data"]["dataFields"]
        }


def text_of(entry: Pass, unique_name: str, default: str) -> str:
    """The text a pass shows in a field of its design, by the prefix of the field's name."""
    prefix, _, key = unique_name.partition(".")
    value: Any = None
    if prefix == "meta":
        value = entry.values.get(key)
    elif prefix == "person":
        person = entry.message.get("person") or (entry.message.get("passenger") or {}).get("passengerDetails")
        value = (person or {}).get(key)
    elif prefix == "members":
        value = entry.message.get(key.rpartition(".")[2], 0)
    return default if value is None else str(value)


def with_change_message(template: Mapping[str, Any], change_message: str | None) -> dict[str, Any]:
    """A design whose message field has this changeMessage, or that has no message field at all (None)."""
    wanted = message_field(change_message or "") | {"templateId": template["id"]}
    others = [
        field for field in template["data"]["dataFields"] if field["uniqueName"] != wanted["uniqueName"]
    ]
    fields = others if change_message is None else [*others, wanted]
    return dict(template) | {"data": dict(template["data"]) | {"dataFields": fields}}
