"""The full-screen face, on Textual. See docs/full-screen.md for what a person has of it."""
