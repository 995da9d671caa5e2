"""What is fast, measured against peers in the same run; nothing here asserts a time."""
