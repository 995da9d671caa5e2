"""What a job is: declared, recorded, queued, run, followed. Knows no family; imports nothing."""
