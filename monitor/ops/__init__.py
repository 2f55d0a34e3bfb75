"""What an operator needs to know: whether each part of the service is healthy."""
