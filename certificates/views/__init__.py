"""The pages. Views fetch, call and draw; whatever is decided is decided elsewhere."""
