"""What the chat screen is made of. Never asks the session anything: screens do."""
