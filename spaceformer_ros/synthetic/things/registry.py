# SPDX-License-Identifier: Apache-2.0
"""Registry of the builders: kind -> function that builds its geometry."""

from ..shapes import Shape

BUILDERS = {}


def builds(*kinds):
    """Decorator: register builder(shape, rng, look, **fit), which adds parts to a Shape, for some kinds."""

    def register(builder):
        for kind in kinds:
            BUILDERS[kind] = builder
        return builder

    return register


def build(kind, rng, look, **fit):
    """A new Shape of one kind.

    rng: draws all free dimensions; look: Look; fit: dimensions in metres given by the surroundings, for builders with
    such parameters (window, door, curtain, blinds, rug, radiator, desk, kitchen counter, ...).
    """
    shape = Shape()
    BUILDERS[kind](shape, rng, look, **fit)
    shape.settle()
    return shape
