"""What to leave out of a set, and why: each filter names the rows it refuses, nothing disappears unnamed."""
