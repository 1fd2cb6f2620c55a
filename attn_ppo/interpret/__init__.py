"""What an agent looks at: games recorded with all that it saw, and what is drawn from them."""
