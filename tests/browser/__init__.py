"""Tests in a real browser: the report and the dashboard, as a person with a mouse, a keyboard or a screen reader."""
