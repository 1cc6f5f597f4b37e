"""The pages about the console itself: people, first run, health, errors."""
