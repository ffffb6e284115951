"""What the full-screen face shows, as values. Never loads Textual, never reads or writes."""
