"""From bytes and files to coloured clouds."""
