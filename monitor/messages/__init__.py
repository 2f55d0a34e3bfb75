"""What is said: messages as values, and the words of each language."""
