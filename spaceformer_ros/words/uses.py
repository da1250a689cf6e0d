# SPDX-License-Identifier: Apache-2.0
"""Questions for a use: "something to sit on", "where can I sleep?", and the labels that serve it.

Text models place such a phrase as near to "pillow" as to "chair", so that the usual ones are listed here.
"""

import re

SEATS = ("chair", "armchair", "office chair", "sofa", "bench", "stool", "ottoman")
BEDS = ("bed", "hospital bed", "sofa")
DESKS = ("desk", "table", "workbench", "conference table")
# Pattern of what is done, and the labels that serve it.
USES = (
    (r"(sit|be seated|sit down|take a seat)( on| in)?", SEATS),
    (r"(lie|lay|lie down|sleep|rest|nap)( on| in| down on)?", BEDS),
    (r"(work|write|study|sit|eat)( at)", DESKS),
    (r"write on", ("whiteboard", *DESKS)),
    (r"eat( from)?", ("table", "conference table", "bowl")),
    (r"drink (from|out of)", ("cup", "bottle")),
    (r"(read|read in)", ("book",)),
    (r"(watch|watch tv|watch television)( on)?", ("television", "monitor")),
    (r"(cook|fry)( on| with| in)?", ("stove", "microwave")),
    (r"(boil|heat) water( in| with)?", ("kettle", "stove")),
    (r"make coffee( with)?", ("coffee machine",)),
    (r"(keep|cool|store) (food|drinks)( cold)?( in)?", ("refrigerator",)),
    (r"wash (my |your |the )?hands( in| at)?", ("sink",)),
    (r"wash (my |the )?(clothes|laundry)( in| with)?", ("washing machine",)),
    (r"wash (the )?dishes( in| with)?", ("dishwasher", "sink")),
    (r"(take|have) a (shower|bath)( in)?", ("shower", "bathtub")),
    (r"(throw|put) (away )?(trash|garbage|rubbish|waste)( away)?( in| into)?", ("trash can",)),
    (r"hang (my |a )?(coat|jacket)( on)?", ("coat rack", "wardrobe")),
    (r"(store|keep|put) (my )?clothes( in)?", ("wardrobe", "dresser")),
    (r"(store|keep|put) (my )?books( in| on)?", ("bookshelf", "shelf")),
    (r"(put out|extinguish|fight) (a |the )?fire( with)?", ("fire extinguisher",)),
    (r"climb( up| on)?", ("ladder",)),
    (r"print( with| on)?", ("printer",)),
    (r"see (myself|yourself|my face)( in)?", ("mirror",)),
    (r"(clean|vacuum) (the )?floor( with)?", ("vacuum cleaner",)),
)
THING = r"(some|any)(thing|where)|(a |some )?(thing|things|place|places|spot|furniture)"
LINKS = r" (that i can|that one can|where i can|i can|one can|to|for)"
ASKED = re.compile(rf"(({THING}){LINKS}|(where|what) (can|could|may) (i|one|we|you)) ")
PATTERNS = tuple((re.compile(use), labels) for use, labels in USES)


def labels_for_use(text):
    """Tuple of the labels that serve the use that a text asks for; empty for any other text."""
    plain = " ".join(text.lower().split())
    asked = ASKED.match(plain)  # first, as the grammar of questions tries every part of a text
    if asked is None:
        return ()
    return next((labels for pattern, labels in PATTERNS if pattern.fullmatch(plain, asked.end())), ())
