"""Holders' names for the stand-in's world: everyday ones, and those that break careless screens."""

from __future__ import annotations

FORENAMES = (
    "Anna", "Björn", "Chloé", "Dimitri", "Élodie", "Frieda", "Günther", "Hana", "Ingrid", "João", "Katarzyna",
    "Łukasz", "Maëlle", "Noah", "Ólafur", "Paula", "Quentin", "Renée", "Søren", "Theo", "Ursula", "Věra",
    "Wilhelm", "Ximena", "Yusuf", "Zoë", "Emma", "Jonas", "Lena", "Mateo", "Sofia", "Felix",
)  # fmt: skip

SURNAMES = (
    "Müller", "García", "Nowak", "O'Brien", "Dvořák", "Ångström", "Schmidt", "Silva", "Kowalski", "Lefèvre",
    "Bauer", "Rossi", "Yılmaz", "Horváth", "Jensen", "Novák", "Weiß", "Fernández", "Bergström", "Ionescu",
    "Haas", "Lindner", "van den Berg", "Žižek", "Moreau", "Köhler", "Brandt", "Peeters", "Virtanen",
    "Popović",
)  # fmt: skip

CITIES = (
    ("Dresden", "01067"), ("Leipzig", "04109"), ("Chemnitz", "09111"), ("Jena", "07743"), ("Berlin", "10115"),
    ("Hamburg", "20095"), ("Köln", "50667"), ("München", "80331"), ("Wien", "1010"), ("Zürich", "8001"),
)  # fmt: skip

ODD_NAMES = (
    "Ann [/foo] Lee",
    "[@click=app.quit]",
    "[bold red]Bea[/]",
    "Zoë 🎉☕ Müller",
    "👩‍👩‍👧‍👦 Familie Lindner",
    "محمد بن سلمان",
    "דוד כהן",
    "\u202eright-to-left override",
    "김민준",
    "山田 太郎",
    "สมชาย ใจดี",
    "Zal\u0335\u0322\u0321go\u0300\u0301\u0302\u0303",
    "=cmd|' /C calc'!A0",
    "Robert'); DROP TABLE members;--",
    "Esc\x1b[31mape\x07 Tab\tBell",
    "   ",
    "Wolfeschlegelsteinhausenbergerdorff " * 9,
)
"""Markup, emoji, right-to-left text, combining marks, control bytes, formulas, blanks, 324 characters."""
