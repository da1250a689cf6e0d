# SPDX-License-Identifier: Apache-2.0
"""Which pictures are read: pillow knows further formats, of which EPS starts a program."""

PICTURES = "JPEG", "PNG", "WEBP", "TIFF", "BMP"
TEXTURES = (*PICTURES, "TGA")  # of meshes; TGA has no mark by which a picture of unknown format could be told
MAX_PIXELS = 1 << 26  # 8192 x 8192, the largest textures of scanning apps; more are refused before memory is allocated
