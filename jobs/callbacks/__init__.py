"""What providers tell us, and how it is told from a forgery."""
