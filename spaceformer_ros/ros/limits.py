# SPDX-License-Identifier: Apache-2.0
"""Limits of one request, without ROS: docs/security.md lists them."""

MAX_EMBED_TEXTS = 1000  # of one EmbedText request
MAX_APPROACHES = 100  # objects of one FindObjects request that approach poses are searched for, 0.05 s each
MAX_SELECTED = 10_000  # ids, and labels, of one GetInstances request
MAX_MESSAGE_LENGTH = 20_000  # characters of a reply's message: an answer to 32 texts names candidates for each
MAX_PENDING = 200  # requests that wait, per service; ROS's own limit of 10 loses those of a burst
EMBED_SECONDS = 30.0  # that one request may take to embed texts; what is embedded by then stays cached
MAX_VIEW_PIXELS = 8_000_000  # of all layers of a RenderView request: its reply waits in memory for the client
MAX_WAITING_PIXELS = 16_000_000  # of all RenderView requests that wait; about 30 bytes of memory each
TRIM_PIXELS = 1_000_000  # of a RenderView request after which free memory is given back
DISK_SECONDS = 30.0  # that a request to save or load may take
FILE_SECONDS = 1.0  # that a vocabulary_file may take to be read while the parameter is set
SHORT_TEXTS, SHORT_CHARACTERS = 4, 80  # of one FindObjects request that is not done after all short ones
