# SPDX-License-Identifier: Apache-2.0
"""Points turned along their own axes in the plan, so that the heading of an object has no effect."""

import torch


def turned(xyz):
    """Points with the principal axes of their plan along x and y, centred there; z stays. xyz: [K, n, 3]."""
    plan = xyz[..., :2] - xyz[..., :2].mean(dim=1, keepdim=True)
    xx, yy, xy = ((plan[..., a] * plan[..., b]).mean(dim=1) for a, b in ((0, 0), (1, 1), (0, 1)))
    return turned_by(torch.cat([plan, xyz[..., 2:]], dim=2), 0.5 * torch.atan2(2 * xy, xx - yy))


def turned_by(xyz, angle):
    """Points whose direction `angle` [K] becomes the x axis. xyz: [K, n, 3]."""
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    x, y, z = xyz.unbind(dim=-1)
    return torch.stack([c * x + s * y, c * y - s * x, z], dim=-1)
