"""Integer cells of a grid: keys, neighbours, groups, components."""
