"""The face that phones and providers call: Apple's pass web service, links, callbacks, events."""
