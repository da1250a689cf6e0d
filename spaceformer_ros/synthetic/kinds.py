# SPDX-License-Identifier: Apache-2.0
"""The kinds of things in rooms: their names, materials and colours. Their geometry is in `things`.

`held_out` names are never used in captions: evaluation asks for them, to test whether the network generalises to words
that it was not trained on.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Kind:
    """One kind of thing.

    name: canonical name
    synonyms: synonyms used in captions
    held_out: synonyms that are in no caption
    materials: words of `colors.FINISHES`, one is drawn
    palette: name in `colors.PALETTES`
    span: typical largest extent, metres (much smaller or larger objects are called small or large)
    structure: True for parts of the building, which are not instances
    models_only: True for kinds that have no generated geometry, only furniture models (`assets`)
    """

    name: str
    synonyms: tuple = ()
    held_out: tuple = ()
    materials: tuple = ("plastic",)
    palette: str = "any"
    span: float = 0.5
    structure: bool = False
    models_only: bool = False

    @property
    def names(self):
        """Canonical name, then the training synonyms."""
        return (self.name, *self.synonyms)


_SOFT = ("fabric", "fabric", "leather")
_BOARD = ("wooden", "wooden", "wooden", "plastic")
_FURNITURE = ("wooden", "wooden", "wooden", "metal")
_STEEL = ("metal",)
_PLASTIC = ("plastic",)
_CLOTH = ("fabric",)

_ROWS = (
    Kind("wall", (), ("partition",), ("stone",), "pale", 5.0, True),
    Kind("floor", (), ("ground",), ("wooden",), "neutral", 5.0, True),
    Kind("ceiling", (), ("roof",), ("stone",), "white", 5.0, True),
    # seats
    Kind("chair", ("dining chair", "side chair"), ("seat",),
         ("wooden", "wooden", "plastic", "fabric", "metal"), "any", 0.9),
    Kind("office chair", ("desk chair", "swivel chair"), ("computer chair", "task chair"), _SOFT, "textile", 1.16),
    Kind("armchair", ("easy chair", "lounge chair"), ("recliner", "club chair"), _SOFT, "textile", 0.92),
    Kind("sofa", ("settee", "living room sofa"), ("couch",), _SOFT, "textile", 2.17),
    Kind("stool", ("bar stool", "backless stool"), ("footstool",),
         ("wooden", "metal", "plastic", "fabric"), "any", 0.54),
    Kind("bench", ("sitting bench",), ("pew",), ("wooden", "wooden", "metal", "fabric"), "any", 1.34),
    Kind("ottoman", ("pouf", "foot rest"), ("hassock",), _SOFT, "textile", 0.52),
    Kind("wheelchair", ("wheel chair", "mobility chair"), ("rolling chair",), ("metal",), "dark", 1.1),
    # tables
    Kind("table", ("dining table", "kitchen table"), ("dinner table",),
         ("wooden", "wooden", "plastic", "glass"), "neutral", 1.34),
    Kind("coffee table", ("low table", "living room table"), ("cocktail table",),
         ("wooden", "wooden", "glass", "stone"), "neutral", 0.97),
    Kind("side table", ("end table", "small table"), ("occasional table", "accent table"), _FURNITURE, "any", 0.54),
    Kind("desk", ("writing desk", "office desk"), ("work desk", "bureau"), _BOARD, "neutral", 1.33),
    Kind("conference table", ("meeting table", "long table"), ("boardroom table",),
         ("wooden", "plastic"), "neutral", 2.65),
    Kind("workbench", ("work table", "shop bench"), ("tool bench",), ("wooden", "metal"), "metal", 1.63),
    # storage
    Kind("nightstand", ("bedside table", "night table"), ("bedside cabinet",), _FURNITURE, "any", 0.55),
    Kind("wardrobe", ("closet", "clothes cabinet"), ("armoire",), _BOARD, "any", 2.03),
    Kind("dresser", ("chest of drawers", "drawer chest"), ("tallboy",), _BOARD, "any", 1.15),
    Kind("cabinet", ("cupboard", "sideboard"), ("credenza",), ("wooden", "wooden", "metal", "plastic"), "any", 1.49),
    Kind("filing cabinet", ("file cabinet", "document cabinet"), ("office drawers",), _STEEL, "metal", 0.94),
    Kind("bookshelf", ("book shelf", "shelf with books"), ("bookcase",), _BOARD, "neutral", 1.6),
    Kind("shelf", ("storage shelf", "open shelf"), ("shelving", "storage rack"),
         ("metal", "metal", "wooden"), "metal", 1.72),
    Kind("wall shelf", ("floating shelf", "wall board"), ("ledge",), _FURNITURE, "any", 0.88),
    Kind("tv stand", ("media console", "television stand"), ("entertainment unit",), _BOARD, "neutral", 1.44),
    Kind("coat rack", ("coat stand", "hat stand"), ("coat tree",), ("wooden", "metal"), "any", 1.74),
    Kind("shoe rack", ("shoe shelf",), ("footwear shelf",), ("wooden", "metal", "plastic"), "any", 0.8),
    Kind("locker", ("metal locker", "clothes locker"), ("changing room closet",), _STEEL, "metal", 1.83),
    Kind("basket", ("laundry basket", "hamper"), ("wash basket",), ("wicker", "plastic", "fabric"), "any", 0.47),
    # beds
    Kind("bed", ("bedstead", "bed with bedding"), ("place to sleep",), ("fabric",), "textile", 2.1),
    Kind("hospital bed", ("patient bed", "medical bed"), ("ward bed", "clinic bed"), ("metal",), "pale", 2.15),
    Kind("crib", ("baby bed", "baby crib"), ("cot", "cradle"), ("wooden",), "pale", 1.36),
    # kitchen
    Kind("refrigerator", ("freezer", "refrigerator freezer"), ("fridge",), _STEEL, "goods", 1.7),
    Kind("stove", ("cooker", "kitchen range"), ("hob",), _STEEL, "goods", 1.04),
    Kind("microwave", ("microwave oven",), ("microwave cooker",), ("metal", "plastic"), "goods", 0.52),
    Kind("kitchen counter", ("countertop", "kitchen worktop"), ("kitchen unit", "kitchen bench"), _BOARD, "any", 1.87),
    Kind("kitchen cabinet", ("wall cabinet", "hanging cupboard"), ("overhead cabinet",), _BOARD, "any", 1.32),
    Kind("range hood", ("extractor hood", "cooker hood"), ("kitchen vent",), _STEEL, "steel", 0.69),
    Kind("dishwasher", ("dish washer",), ("dish cleaning machine",), _STEEL, "goods", 0.85),
    Kind("sink", ("wash basin", "basin"), ("hand basin", "washbowl"), ("ceramic", "ceramic", "metal"), "white", 0.98),
    Kind("kettle", ("water kettle", "electric kettle"), ("teakettle",), ("metal", "plastic"), "goods", 0.28),
    Kind("toaster", ("bread toaster",), ("toasting machine",), ("metal", "plastic"), "goods", 0.32),
    Kind("coffee machine", ("coffee maker", "espresso machine"), ("coffee brewer",),
         ("plastic", "metal"), "goods", 0.35),
    # bathroom
    Kind("toilet", ("lavatory", "toilet bowl"), ("loo", "commode"), ("ceramic",), "white", 0.86),
    Kind("bathtub", ("bath", "tub"), ("soaking tub",), ("ceramic", "plastic"), "white", 1.71),
    Kind("shower", ("shower cabin", "shower stall"), ("shower cubicle",), ("glass",), "pale", 2.01),
    Kind("washing machine", ("washer", "laundry machine"), ("clothes washer",), _STEEL, "goods", 0.85),
    Kind("towel", ("bath towel", "hand towel"), ("drying cloth",), _CLOTH, "textile", 0.69),
    # devices
    Kind("television", ("tv", "flat screen tv"), ("telly",), _PLASTIC, "dark", 0.99),
    Kind("monitor", ("computer monitor", "computer screen"), ("display",), _PLASTIC, "dark", 0.59),
    Kind("laptop", ("laptop computer", "notebook computer"), ("portable computer",),
         ("metal", "plastic"), "steel", 0.34),
    Kind("keyboard", ("computer keyboard",), ("keypad",), _PLASTIC, "goods", 0.34),
    Kind("computer", ("computer tower", "desktop computer"), ("pc",), ("metal", "plastic"), "dark", 0.47),
    Kind("printer", ("office printer", "copier"), ("photocopier",), _PLASTIC, "goods", 0.51),
    Kind("speaker", ("loudspeaker", "audio speaker"), ("sound box",), ("wooden", "plastic"), "dark", 0.73),
    # light, air, heat
    Kind("floor lamp", ("standing lamp", "tall lamp"), ("torchiere",), ("fabric", "plastic", "metal"), "any", 1.7),
    Kind("table lamp", ("desk lamp", "bedside lamp"), ("reading lamp",), ("fabric", "plastic", "metal"), "any", 0.42),
    Kind("ceiling lamp", ("ceiling light", "pendant lamp"), ("overhead light",),
         ("plastic", "metal", "glass"), "pale", 0.67),
    Kind("fan", ("electric fan", "standing fan"), ("ventilator",), ("plastic", "metal"), "goods", 1.16),
    Kind("radiator", ("heater", "heating radiator"), ("heating panel",), _STEEL, "white", 1.06),
    Kind("air conditioner", ("ac unit", "wall air conditioner"), ("cooling unit",), _PLASTIC, "white", 0.85),
    # decoration
    Kind("plant", ("potted plant", "house plant"), ("greenery",), ("leafy",), "leaf", 0.74),
    Kind("vase", ("flower vase", "decorative vase"), ("flower jar",), ("ceramic", "glass"), "any", 0.42),
    Kind("picture", ("painting", "framed picture"), ("artwork",), ("paper",), "any", 0.69),
    Kind("mirror", ("wall mirror", "framed mirror"), ("looking glass",), ("glass",), "steel", 1.07),
    Kind("whiteboard", ("white board", "dry erase board"), ("marker board",), _PLASTIC, "white", 1.54),
    Kind("clock", ("wall clock", "round clock"), ("timepiece",), ("plastic", "wooden", "metal"), "any", 0.32),
    Kind("rug", ("carpet", "area rug"), ("mat",), _CLOTH, "any", 1.81),
    Kind("pillow", ("cushion", "soft pillow"), ("bolster",), _CLOTH, "textile", 0.51),
    # openings
    Kind("window", ("glass window", "window frame"), ("windowpane",), ("plastic", "wooden"), "pale", 1.35),
    Kind("door", ("room door", "door panel"), ("entrance",), ("wooden", "wooden", "metal"), "any", 2.04),
    Kind("curtain", ("drapes", "window curtain"), ("drapery",), _CLOTH, "textile", 2.06),
    Kind("blinds", ("window blinds", "roller blind"), ("window shade",), ("plastic", "fabric"), "pale", 1.25),
    # small and movable things
    Kind("trash can", ("garbage can", "waste basket"), ("bin", "dustbin"), ("plastic", "metal"), "any", 0.44),
    Kind("box", ("cardboard box", "carton"), ("package", "parcel"), ("cardboard", "cardboard", "plastic"), "any", 0.47),
    Kind("backpack", ("rucksack", "school bag"), ("knapsack",), _CLOTH, "textile", 0.53),
    Kind("suitcase", ("travel case", "luggage"), ("trolley case", "baggage"), ("plastic", "fabric"), "any", 0.68),
    Kind("book", ("books", "stack of books"), ("reading matter",), ("paper",), "any", 0.29),
    Kind("bottle", ("water bottle", "drink bottle"), ("flask",), ("plastic", "glass"), "any", 0.28),
    Kind("cup", ("mug", "coffee cup"), ("beaker", "tumbler"), ("ceramic", "plastic"), "any", 0.14),
    Kind("bowl", ("dish", "round bowl"), ("food bowl",), ("ceramic", "wooden", "plastic"), "any", 0.25),
    Kind("teddy bear", ("stuffed bear", "plush bear"), ("soft toy",), _CLOTH, "hide", 0.42),
    Kind("ball", ("toy ball", "play ball"), ("football",), ("rubber",), "vivid", 0.26),
    Kind("shoes", ("pair of shoes", "sneakers"), ("footwear",), ("leather", "fabric"), "any", 0.29),
    Kind("bucket", ("pail", "water bucket"), ("mop pail",), ("plastic", "metal"), "any", 0.39),
    Kind("ironing board", ("iron board",), ("ironing table",), _CLOTH, "textile", 1.28),
    Kind("vacuum cleaner", ("vacuum", "canister vacuum"), ("hoover",), _PLASTIC, "vivid", 0.87),
    # workshop, traffic, care, music
    Kind("toolbox", ("tool box", "tool case"), ("tool chest",), ("plastic", "metal"), "vivid", 0.53),
    Kind("ladder", ("step ladder", "folding ladder"), ("climbing steps",), ("metal", "wooden"), "metal", 1.61),
    Kind("barrel", ("drum", "oil drum"), ("keg", "cask"), ("metal", "plastic", "wooden"), "vivid", 0.75),
    Kind("hand truck", ("sack truck", "dolly"), ("hand trolley",), _STEEL, "metal", 1.17),
    Kind("shopping cart", ("grocery cart", "supermarket cart"), ("shopping trolley",), _STEEL, "steel", 1.01),
    Kind("traffic cone", ("safety cone", "road cone"), ("pylon",), ("rubber",), "orange", 0.65),
    Kind("bicycle", ("bike", "two wheeler"), ("pushbike", "cycle"), _STEEL, "any", 1.69),
    Kind("fire extinguisher", ("extinguisher", "fire safety cylinder"), ("fire bottle",), _STEEL, "red", 0.56),
    Kind("iv stand", ("iv pole", "drip stand"), ("infusion stand",), _STEEL, "steel", 1.91),
    Kind("medical cart", ("medical trolley", "instrument cart"), ("crash cart",), ("metal", "plastic"), "pale", 0.99),
    Kind("water dispenser", ("water cooler", "drinking water machine"), ("water fountain",), _PLASTIC, "goods", 1.32),
    Kind("guitar", ("acoustic guitar", "six string guitar"), ("string instrument",), ("wooden",), "any", 1.04),
    Kind("piano", ("upright piano", "piano with keys"), ("pianoforte",), ("wooden",), "dark", 1.44),
)  # fmt: skip

# Kinds that only the models of `assets` have. They are not in the rooms of the evaluation.
_MODEL_ROWS = (
    # living things
    Kind("person", ("human being", "human figure"), ("somebody",), _CLOTH, "textile", 1.65),
    Kind("dog", ("pet dog", "hound"), ("puppy",), _CLOTH, "hide", 0.8),
    Kind("cat", ("pet cat", "house cat"), ("kitten",), _CLOTH, "hide", 0.6),
    # beds and seats
    Kind("bunk bed", ("loft bed", "double decker bed"), ("high sleeper",), ("wooden", "metal"), "any", 2.4),
    Kind("mattress", ("bed mattress", "futon mattress"), ("sleeping pad",), _CLOTH, "textile", 2.0),
    Kind("deck chair", ("sun lounger", "beach chair"), ("sunbed",), ("wooden", "fabric"), "any", 1.7),
    Kind("high chair", ("baby chair", "feeding chair"), ("booster seat",), ("wooden", "plastic"), "any", 1.0),
    Kind("stroller", ("baby carriage", "pushchair"), ("pram", "buggy"), _CLOTH, "textile", 1.0),
    Kind("rocking horse", ("toy horse",), ("hobby horse",), ("wooden",), "any", 0.7),
    # storage, screens, stairs
    Kind("storage chest", ("trunk", "blanket chest"), ("footlocker",), ("wooden",), "neutral", 1.1),
    Kind("dressing table", ("vanity table", "makeup table"), ("vanity desk",), ("wooden",), "any", 1.3),
    Kind("screen divider", ("folding screen", "room divider"), ("privacy screen",), ("wooden", "fabric"), "any", 1.9),
    Kind("crate", ("wooden crate", "slatted box"), ("packing case",), ("wooden", "plastic"), "neutral", 0.6),
    Kind("pallet", ("wooden pallet", "euro pallet"), ("skid",), ("wooden",), "neutral", 1.2),
    Kind("stairs", ("staircase", "spiral staircase"), ("stairway",), ("wooden", "metal"), "any", 3.0),
    Kind("fence", ("railing", "handrail"), ("balustrade",), ("wooden", "metal"), "any", 1.9),
    # kitchen, bathroom, laundry
    Kind("cooktop", ("stovetop", "induction cooker"), ("hotplate",), _STEEL, "dark", 0.56),
    Kind("oven", ("built-in oven", "wall oven"), ("baking oven",), _STEEL, "steel", 0.75),
    Kind("blender", ("kitchen mixer", "food mixer"), ("smoothie maker",), _PLASTIC, "goods", 0.4),
    Kind("chest freezer", ("freezer chest",), ("deep freeze",), _STEEL, "white", 0.95),
    Kind("urinal", ("wall urinal",), ("pissoir",), ("ceramic",), "white", 0.75),
    Kind("towel rack", ("towel rail", "towel holder"), ("towel bar",), _STEEL, "steel", 0.9),
    Kind("toilet paper", ("toilet paper holder", "toilet roll"), ("bathroom tissue",), ("paper",), "white", 0.2),
    Kind("toilet brush", ("lavatory brush",), ("bowl brush",), _PLASTIC, "white", 0.39),
    Kind("water heater", ("boiler", "hot water tank"), ("geyser",), _STEEL, "white", 0.85),
    Kind("clothes horse", ("drying rack", "laundry rack"), ("airer",), _STEEL, "white", 0.95),
    Kind("hanging clothes", ("clothes on a hanger", "jacket"), ("garment",), _CLOTH, "textile", 1.1),
    Kind("folded clothes", ("stack of clothes", "folded laundry"), ("pile of shirts",), _CLOTH, "textile", 0.4),
    Kind("broom", ("sweeping brush", "push broom"), ("besom",), _PLASTIC, "any", 1.5),
    # devices and light
    Kind("telephone", ("phone", "desk phone"), ("landline",), _PLASTIC, "goods", 0.25),
    Kind("radio", ("stereo", "music player"), ("boombox",), _PLASTIC, "dark", 0.4),
    Kind("video projector", ("projector", "ceiling projector"), ("beamer",), _PLASTIC, "goods", 0.45),
    Kind("ceiling fan", ("fan with blades at the ceiling",), ("overhead fan",), ("wooden", "metal"), "any", 0.9),
    Kind("chandelier", ("crystal lamp", "candelabra lamp"), ("lustre",), ("glass", "metal"), "pale", 1.3),
    Kind("wall lamp", ("sconce", "wall light"), ("wall spotlight",), ("metal", "glass"), "pale", 0.35),
    Kind("street lamp", ("lamp post", "street light"), ("park light",), _STEEL, "dark", 2.6),
    Kind("candle", ("candle light", "wax candle"), ("taper",), ("plastic",), "pale", 0.3),
    # decoration, sport, garden
    Kind("fireplace", ("hearth", "fire place"), ("chimney piece",), ("stone",), "neutral", 1.6),
    Kind("aquarium", ("fish tank",), ("fish bowl",), ("glass",), "pale", 0.7),
    Kind("christmas tree", ("decorated fir tree", "xmas tree"), ("holiday tree",), ("leafy",), "leaf", 1.8),
    Kind("doll house", ("dollhouse", "toy house"), ("play house",), ("wooden",), "any", 0.9),
    Kind("grand piano", ("concert piano", "baby grand"), ("concert grand",), ("wooden",), "dark", 1.7),
    Kind("exercise bike", ("stationary bike", "indoor bike"), ("spin bike",), _STEEL, "dark", 1.25),
    Kind("punching bag", ("boxing bag", "punch bag"), ("heavy bag",), ("leather",), "dark", 1.5),
    Kind("kick scooter", ("scooter", "push scooter"), ("micro scooter",), _STEEL, "any", 0.9),
    Kind("umbrella", ("parasol", "sunshade"), ("brolly",), _CLOTH, "any", 1.2),
    Kind("wheelbarrow", ("garden barrow", "garden cart"), ("hand barrow",), _STEEL, "any", 1.6),
    Kind("lawn mower", ("grass mower", "mower"), ("grass cutter",), ("metal", "plastic"), "vivid", 1.0),
    Kind("mailbox", ("letter box", "post box"), ("mail slot",), _STEEL, "any", 0.6),
    Kind("shopping basket", ("hand basket", "supermarket basket"), ("grocery basket",), _PLASTIC, "vivid", 0.6),
    Kind("forklift", ("forklift truck", "fork lift"), ("lift truck",), _STEEL, "vivid", 3.2),
)  # fmt: skip

KINDS = {kind.name: kind for kind in (*_ROWS, *(replace(kind, models_only=True) for kind in _MODEL_ROWS))}
KIND_NAMES = tuple(KINDS)
STRUCTURE = tuple(kind.name for kind in _ROWS if kind.structure)
OBJECT_KINDS = tuple(kind.name for kind in _ROWS if not kind.structure)
MODEL_KINDS = tuple(kind.name for kind in _MODEL_ROWS)
