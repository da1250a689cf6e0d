"""Kind name -> builder of its geometry."""

from ..shapes import Shape

BUILDERS = {}


def builds(*kinds):
    """Register a builder(shape, rng, look, **fit) that adds parts to `shape` in the object frame of `shapes`."""

    def register(builder):
        for kind in kinds:
            BUILDERS[kind] = builder
        return builder

    return register


def build(kind, rng, look, **fit):
    """A new Shape of one kind.

    rng: draws every free dimension; look: its paints; fit: dimensions in metres that the surroundings dictate, for the
    kinds that take them (window, door, curtain, blinds, rug, radiator, table, desk, kitchen counter, picture ...).
    """
    shape = Shape()
    BUILDERS[kind](shape, rng, look, **fit)
    shape.settle()
    return shape
