"""The texts of our word problems, as data.

A story is a tuple of slots, a slot a tuple of interchangeable phrases. In every slot with more than one phrase the **last** phrase is
held out: no training problem ever contains it (eval set `wordings`). Numbers enter as ``{x}`` or, with their noun, as ``{x:member}``.
"""

from __future__ import annotations

from dataclasses import dataclass

Slot = tuple[str, ...]


@dataclass(frozen=True)
class Story:
    id: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Setting:
    """Where an everyday chain happens: an opening, phrases for each operation, a closing question."""

    id: str
    start: Slot
    add: Slot
    sub: Slot
    mul: Slot
    div: Slot
    ask: Slot


def _group(name: str, one: str, join: str, leave: str, bring: str, ask: str, many: str = "") -> tuple[Story, Story]:
    """The ten group stories differ in noun and verbs; the first phrase of a slot is the story's own, the others are shared."""
    noun = f"{one}|{many}" if many else one
    plural = many or f"{one}s"
    start = (
        f"A {name} starts with {{x:{noun}}}.",
        f"There are {{x:{noun}}} in a {name} at first.",
        f"At the beginning a {name} has {{x:{noun}}}.",
        f"A {name} opens the year with {{x:{noun}}} on its list.",
    )
    joined = (
        join,
        f"Then {{y:new {one}|new {plural}}} join.",
        f"{{y:more {one}|more {plural}}} come in during the first week.",
        f"Soon after, the {name} welcomes {{y:extra {one}|extra {plural}}}.",
    )
    left = (
        leave,
        f"Then {{y:{noun}}} leave.",
        f"{{y:{noun}}} drop out during the first week.",
        f"Soon after, the {name} loses {{y:{noun}}}.",
    )
    brought = (
        bring,
        f"Then every {one} in the {name} brings {{z:new {one}|new {plural}}}.",
        f"After that each {one} invites {{z:friend}} who also become {plural}.",
        "Later each one of them persuades {z:more person|more people} to come along.",
    )
    asked = (
        ask,
        f"How many {plural} does the {name} have in the end?",
        f"What is the number of {plural} in the {name} now?",
        f"Count all {plural} of the {name}.",
    )
    return Story(f"{name}/add", (start, joined, brought, asked)), Story(f"{name}/sub", (start, left, brought, asked))


GROUPS: tuple[Story, ...] = (
    *_group(
        "team",
        "member",
        "They recruit {y:new member}.",
        "Then {y:member} quit.",
        "Then each current member recruits {z:additional person|additional people}.",
        "How many people are there now on the team?",
    ),
    *_group(
        "company",
        "employee",
        "It hires {y:new employee}.",
        "It lets {y:employee} go.",
        "Then each current employee refers {z:new worker} who are all hired.",
        "How many people work at the company now?",
    ),
    *_group(
        "school",
        "student",
        "It enrols {y:new student}.",
        "Then {y:student} move away.",
        "Then each current student brings {z:friend} who also enrol.",
        "How many students are there now at the school?",
    ),
    *_group(
        "club",
        "member",
        "It admits {y:new member}.",
        "Then {y:member} resign.",
        "Then each current member signs up {z:additional member}.",
        "How many members does the club have now?",
    ),
    *_group(
        "restaurant",
        "guest",
        "Then {y:more guest} sit down.",
        "Then {y:guest} go home.",
        "Then each guest who is there calls {z:friend} to dinner.",
        "How many guests are there now in the restaurant?",
    ),
    *_group(
        "gym",
        "client",
        "It signs {y:new client}.",
        "Then {y:client} cancel.",
        "Then each current client refers {z:additional client}.",
        "How many clients does the gym have now?",
    ),
    *_group(
        "band",
        "musician",
        "They take in {y:new musician}.",
        "Then {y:musician} stop playing.",
        "Then each current musician brings {z:more player}.",
        "How many people play in the band now?",
    ),
    *_group(
        "community",
        "resident",
        "Then {y:new resident} move in.",
        "Then {y:resident} move out.",
        "Then each current resident invites {z:additional resident}.",
        "How many residents are there now in the community?",
    ),
    *_group(
        "group",
        "person",
        "They are joined by {y:new person|new people}.",
        "Then {y:person|people} walk away.",
        "Then each person in the group calls {z:other person|other people} over.",
        "How many people are there now in the group?",
        many="people",
    ),
    *_group(
        "workshop",
        "participant",
        "It registers {y:new participant}.",
        "Then {y:participant} withdraw.",
        "Then each current participant registers {z:additional participant}.",
        "How many participants are there now in the workshop?",
    ),
)

PERCENT: tuple[Story, ...] = (
    Story(
        "promotion",
        (
            ("Out of {n} employees in a company,", "In a company of {n} employees,", "A company has {n} employees, and"),
            (
                "{p}% got promoted while {q}% received bonus.",
                "{p}% were promoted and {q}% got a bonus.",
                "a promotion went to {p}% and a bonus to {q}%.",
            ),
            (
                "How many employees did not get either a promotion or a bonus?",
                "How many of them got neither a promotion nor a bonus?",
                "How many people went without both?",
            ),
        ),
    ),
    Story(
        "library",
        (
            ("Out of {n} books in a library,", "In a library of {n} books,", "A library owns {n} books, and"),
            ("{p}% are novels while {q}% are comics.", "{p}% are novels and {q}% are comics.", "the novels are {p}% and the comics {q}%."),
            (
                "How many books are neither novels nor comics?",
                "How many of the books are something else?",
                "How many books belong to no such shelf?",
            ),
        ),
    ),
    Story(
        "cars",
        (
            ("Out of {n} cars in a car park,", "In a car park with {n} cars,", "A car park holds {n} cars, and"),
            ("{p}% are red while {q}% are blue.", "{p}% are red and {q}% are blue.", "the red ones are {p}% and the blue ones {q}%."),
            ("How many cars are neither red nor blue?", "How many of the cars have another colour?", "How many cars are left over?"),
        ),
    ),
    Story(
        "trees",
        (
            ("Out of {n} trees in an orchard,", "In an orchard with {n} trees,", "An orchard grows {n} trees, and"),
            ("{p}% bear apples while {q}% bear pears.", "{p}% bear apples and {q}% bear pears.", "apples hang on {p}% and pears on {q}%."),
            ("How many trees bear neither apples nor pears?", "How many of the trees bear something else?", "How many trees remain?"),
        ),
    ),
)

CHAINS: tuple[Setting, ...] = (
    Setting(
        "apples",
        ("Tom has {n:apple}.", "There are {n:apple} in the basket of Tom.", "Tom counts {n:apple}."),
        ("He buys {n:more apple}.", "He picks {n:more apple}.", "A friend hands him {n:apple}."),
        ("He eats {n:apple}.", "He gives away {n:apple}.", "He loses {n:apple}."),
        ("Then he gets {n} times as many.", "After a harvest he has {n} times as many.", "The pile grows to {n} times its size."),
        (
            "He shares them equally among {n:bag} and keeps one bag.",
            "He fills {n:equal bag} and keeps only one.",
            "Of {n:equal part} he keeps one.",
        ),
        ("How many apples does Tom have now?", "How many apples does he have in the end?", "Count his apples."),
    ),
    Setting(
        "books",
        ("Anna owns {n:book}.", "There are {n:book} on the shelf of Anna.", "Anna starts with {n:book}."),
        ("She buys {n:more book}.", "She is given {n:more book}.", "The postman brings {n:book}."),
        ("She sells {n:book}.", "She lends out {n:book}.", "Her brother takes {n:book}."),
        ("Then her collection becomes {n} times as large.", "Later she owns {n} times as many.", "The shelf grows to {n} times its size."),
        (
            "She sorts them equally into {n:box|boxes} and keeps one box.",
            "She fills {n:equal box|equal boxes} and keeps only one.",
            "Of {n:equal part} she keeps one.",
        ),
        ("How many books does Anna have now?", "How many books does she have in the end?", "Count her books."),
    ),
    Setting(
        "coins",
        ("Ben has {n:coin}.", "There are {n:coin} in the purse of Ben.", "Ben begins with {n:coin}."),
        ("He earns {n:more coin}.", "He finds {n:more coin}.", "His aunt sends {n:coin}."),
        ("He spends {n:coin}.", "He pays {n:coin}.", "A thief takes {n:coin}."),
        ("Then his money grows to {n} times as much.", "Later he has {n} times as much.", "The purse grows to {n} times its size."),
        (
            "He splits them equally among {n:friend} and keeps one share.",
            "He makes {n:equal share} and keeps only one.",
            "Of {n:equal part} he keeps one.",
        ),
        ("How many coins does Ben have now?", "How many coins does he have in the end?", "Count his coins."),
    ),
    Setting(
        "bus",
        ("A bus carries {n:passenger}.", "There are {n:passenger} on a bus.", "A bus sets off with {n:passenger}."),
        ("At a stop {n:passenger} get on.", "Then {n:more passenger} board.", "The bus picks up {n:passenger}."),
        ("At a stop {n:passenger} get off.", "Then {n:passenger} leave.", "The bus sets down {n:passenger}."),
        (
            "At the station the number becomes {n} times as large.",
            "Later there are {n} times as many.",
            "The crowd grows to {n} times its size.",
        ),
        (
            "They change equally into {n:bus|buses} and we follow one.",
            "They fill {n:equal bus|equal buses} and we follow one.",
            "Of {n:equal part} one stays.",
        ),
        ("How many passengers are on the bus now?", "How many passengers are there in the end?", "Count the passengers."),
    ),
    Setting(
        "fish",
        ("A pond holds {n:fish|fish}.", "There are {n:fish|fish} in a pond.", "A pond begins with {n:fish|fish}."),
        ("A farmer adds {n:fish|fish}.", "Then {n:more fish|more fish} are put in.", "The river brings {n:fish|fish}."),
        ("A bird takes {n:fish|fish}.", "Then {n:fish|fish} are caught.", "The river carries off {n:fish|fish}."),
        (
            "In spring the number becomes {n} times as large.",
            "Later there are {n} times as many.",
            "The shoal grows to {n} times its size.",
        ),
        (
            "They are moved equally into {n:pond} and we watch one pond.",
            "They fill {n:equal pond} and we watch one.",
            "Of {n:equal part} one stays.",
        ),
        ("How many fish are in the pond now?", "How many fish are there in the end?", "Count the fish."),
    ),
    Setting(
        "cookies",
        ("A baker has {n:cookie}.", "There are {n:cookie} on the tray of a baker.", "A baker starts with {n:cookie}."),
        ("She bakes {n:more cookie}.", "She adds {n:more cookie}.", "Her helper brings {n:cookie}."),
        ("She sells {n:cookie}.", "She burns {n:cookie}.", "A dog steals {n:cookie}."),
        ("Then she makes {n} times as many.", "Later she has {n} times as many.", "The tray grows to {n} times its size."),
        (
            "She puts them equally on {n:plate} and keeps one plate.",
            "She fills {n:equal plate} and keeps only one.",
            "Of {n:equal part} she keeps one.",
        ),
        ("How many cookies does the baker have now?", "How many cookies does she have in the end?", "Count her cookies."),
    ),
)

RATES: tuple[Story, ...] = (
    Story(
        "machine",
        (
            ("A machine makes {r:part} per hour.", "Every hour a machine makes {r:part}.", "The output of a machine is {r:part} an hour."),
            ("It runs {h:hour} a day for {d:day}.", "It works {h:hour} each day on {d:day}.", "It is on for {h:hour} daily, {d:day} long."),
            ("How many parts does it make?", "How many parts are made in all?", "Count the parts."),
        ),
    ),
    Story(
        "reader",
        (
            ("Mia reads {r:page} per hour.", "Every hour Mia reads {r:page}.", "The pace of Mia is {r:page} an hour."),
            (
                "She reads {h:hour} a day for {d:day}.",
                "She reads for {h:hour} each day on {d:day}.",
                "She sits down for {h:hour} daily, {d:day} long.",
            ),
            ("How many pages does she read?", "How many pages are read in all?", "Count the pages."),
        ),
    ),
    Story(
        "shop",
        (
            ("A ticket costs {r:dollar}.", "One ticket is sold for {r:dollar}.", "The price of a ticket is {r:dollar}."),
            (
                "A class buys {h:ticket} on each of {d:day}.",
                "On {d:day} a class buys {h:ticket} each day.",
                "A class takes {h:ticket} daily, {d:day} long.",
            ),
            ("How many dollars does it pay?", "How many dollars are paid in all?", "Count the dollars."),
        ),
    ),
    Story(
        "garden",
        (
            ("A row holds {r:plant}.", "In every row there are {r:plant}.", "A row is filled with {r:plant}."),
            (
                "A field has {h:row} and there are {d:field}.",
                "There are {d:field} with {h:row} each.",
                "Count {h:row} a field and {d:field}.",
            ),
            ("How many plants are there?", "How many plants grow in all?", "Count the plants."),
        ),
    ),
)

RATE_EXTRA: dict[str, tuple[Slot, Slot]] = {
    # what comes on top, what is lost: the third step of a rate story
    "machine": (
        ("Another machine adds {e:part}.", "Then {e:more part} are found.", "The stock grows by {e:part}."),
        ("Then {e:part} break.", "A check removes {e:part}.", "The stock shrinks by {e:part}."),
    ),
    "reader": (
        ("On Sunday she reads {e:more page}.", "Then she adds {e:page}.", "The count grows by {e:page}."),
        ("Then {e:page} turn out empty.", "She skips {e:page} of them.", "The count shrinks by {e:page}."),
    ),
    "shop": (
        ("The bus costs {e:more dollar}.", "Then it pays {e:dollar} for the bus.", "The bill grows by {e:dollar}."),
        ("It gets {e:dollar} back.", "A coupon saves {e:dollar}.", "The bill shrinks by {e:dollar}."),
    ),
    "garden": (
        ("By the wall grow {e:more plant}.", "Then {e:plant} are added.", "The garden gains {e:plant}."),
        ("Then {e:plant} die.", "A goat eats {e:plant}.", "The garden loses {e:plant}."),
    ),
}

SUFFIXES: tuple[str, ...] = ("", " Output only the answer and nothing else.", " Give the answer only and nothing else.")
