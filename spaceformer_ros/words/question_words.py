# SPDX-License-Identifier: Apache-2.0
"""The words that `question` knows: openings, relations, sizes, orders, and what is said to be not understood."""

import re


def _listed(text):
    """Tuple of the parts of a text between commas."""
    return tuple(part.strip() for part in text.split(","))


def _each(text, value):
    """Dict of the parts of a text between commas to one value."""
    return dict.fromkeys(_listed(text), value)


OPENINGS = _listed(
    "in which room is, in which room are, which room has, which room contains, which room is, what room is,"
    "the room with, the room that has, room with, how many, can you, could you, would you, will you,"
    "i need a, i need the, i want a, i want the, i am looking for, i'm looking for, do you see, do you have,"
    "do we have, where did i leave, where did i put, give me, tell me, which is, which are, what are,"
    "where is, where are, where's, wheres, which, what is, what's, whats, find me, find, show me, show, bring me,"
    "bring, get me, get, fetch me, fetch, go to, drive to, look for, is there, are there, locate, count, list"
)
ARTICLES = _listed("the, a, an, any, some, my, our, that, this, those, these")
ANYTHING = _listed("anything, everything, something, thing, things, object, objects, item, items, stuff")
NO_NOUN = _listed("it, which, what, that, me, them, there, here, can, to")
# Words that name no thing, alone or together: "this", "where is the", "where am i"
FUNCTION_WORDS = {
    *ARTICLES,
    *_listed(
        "it, its, i, you, he, she, we, they, me, us, them, who, what, where, which, how, here, there, and, or, of"
    ),
    *_listed("is, are, am, was, be, do, does, can, to, in, on, at, one, many"),
}
WHAT_IS_HERE = re.compile(r"what(?:'s|s| is| are| do you see| can you see| is there to see)(?: here| there)?")
EVERY = _listed("all, every, each, both")
STOREYS = _listed("floor, storey, story, level")  # "on the floor" is a relation, "on the second floor" is a storey
ROOM = "room"  # asks for any room
# Words that end like plurals.
SINGULAR = _listed(
    "glasses, shoes, drapes, blinds, scissors, stairs, clothes, drawers, headphones, goods, upstairs, downstairs,"
    "electronics"
)

ON, IN, UNDER, NEXT_TO, NEAR, ABOVE = "on", "in", "under", "next to", "near", "above"
NEAREST, FARTHEST = "nearest", "farthest"
# Words of a relation; longer ones are tried first.
RELATIONS = {
    **_each("on top of, on, upon, onto, lying on, standing on, hanging on, mounted on, hanging from", ON),
    **_each("in, inside of, inside, within, into", IN),
    **_each("under, underneath, beneath, below", UNDER),
    **_each("next to, beside, adjacent to, right by", NEXT_TO),
    **_each("near, close to, by, around, nearby, at", NEAR),
    **_each("nearest to, closest to, nearest, closest", NEAREST),
    **_each("farthest from, furthest from, farthest away from, furthest away from", FARTHEST),
    **_each("above, over", ABOVE),
}
LINKS = {NEAREST: " to", FARTHEST: " from"}

VIEWPOINT, ABSENT = "it depends on the viewpoint", "what is absent is not looked for"
_LINKED = [f"{link}{verb}" for link in ("", "that ", "which ") for verb in ("isn't", "aren't", "doesn't", "don't")]
_SECOND = [f"{link} {article}" for link in ("and", "or") for article in ARTICLES]
# Relations that this grammar names but does not answer, and why.
UNANSWERED = {
    **_each("behind, in front of, left of, right of, to the left of, to the right of, opposite", VIEWPOINT),
    **_each("on the left, on the right, from the left, from the right, in the middle, in the corner", VIEWPOINT),
    **_each("leftmost, rightmost, the leftmost, the rightmost", VIEWPOINT),
    **_each("between, except, but, other than, apart from", "only single relations are answered"),
    **_each("without, with no, has no, have no, that has no, that have no, not", ABSENT),
    **dict.fromkeys(_LINKED, ABSENT),
    **dict.fromkeys(_SECOND, "one thing is looked for by each text"),
    **_each("upstairs, downstairs", "storeys are not told apart"),
}
PLACES = {phrase for phrase, reason in UNANSWERED.items() if reason == VIEWPOINT} | {"between"}
# Words before a noun that are not answered either, and why.
LEADING = {**_each("leftmost, rightmost, left, right", VIEWPOINT), **_each("not, without, no", ABSENT)}

LARGEST, SMALLEST, TALLEST, LOWEST, LONGEST = "largest", "smallest", "tallest", "lowest", "longest"
CLOSE, FAR = "nearest", "farthest"
SIZES = {
    **_each("largest, biggest, bigger, larger", LARGEST),
    **_each("smallest, littlest, smaller", SMALLEST),
    **_each("tallest, highest", TALLEST),
    **_each("lowest, shortest", LOWEST),
    **_each("longest, widest", LONGEST),
    **_each("nearest, closest", CLOSE),
    **_each("farthest, furthest", FAR),
}
TURNED = {CLOSE: ("to", NEAREST), FAR: ("from", FARTHEST)}  # "nearest chair to the window": word, and the relation
ORDINALS = _listed("first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth")
NUMBERS = _listed("one, two, three, four, five, six, seven, eight, nine, ten")

# "how many chairs are there in the kitchen", "which chair is next to the window": the thing, a verb, and the rest
COUNTED = re.compile(
    r"(?:how many|which|what) (?!room )(?P<thing>.+?) (?:are|is|do|does|can|stands?|lies?|hangs?)"
    r"(?: there| we have| you see| i see| you have)?(?= |$)(?P<rest>.*)"
)
HAVING = re.compile(r"(?:how many|which|what) (?P<thing>.+?) (?:do|does) (?P<place>the .+) (?:have|contain)")
ORDINAL = re.compile(r"([1-9]\d{0,2})(st|nd|rd|th)")
SIZED = re.compile(rf"({'|'.join(ORDINALS)})-({'|'.join(SIZES)})")  # "second-largest"
# "which room is the largest": the size and the thing
WHICH_IS = re.compile(
    rf"(?:which|what) (?P<thing>.+?) (?:is|are) (?:the )?(?P<size>(?:(?:{'|'.join(ORDINALS)}) )?(?:{'|'.join(SIZES)}))"
)
ROBOT = re.compile(r"(nearest|closest|farthest|furthest)( to| from| away from)? (me|you|us|here|the robot)")
ROOM_NUMBER = re.compile(rf"room (?:number |no |# ?)?(\d+|{'|'.join(NUMBERS)})")
NAMED_ROOM_NUMBER = re.compile(r"(?P<name>.+?) (?:\(room )?(?P<number>\d+)\)?")  # as answers write it
# A text in quotes or brackets, and what separates the things of a list
WRAPPED = re.compile(r"[\"'“„«`*\[({<](.+)[\"'”“»`*\])}>]")
LISTED = re.compile(r"\s*[,;/&+|]\s*")
# "the chair that is" next to ..., "which room is it in"
CLAUSE = re.compile(r" (that|which|who) (is|are|stands?|lies?|hangs?)$| in$")
