"""The web door: pages for people and a JSON API for programs, over the same store and submission as the commands."""
