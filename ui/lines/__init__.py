"""The plain face: a line in, lines out, for any terminal, a pipe or a screen reader."""
