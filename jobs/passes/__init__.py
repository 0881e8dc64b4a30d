"""Passes that passbell issues itself: templates, what Apple and Google are given, and credentials."""
