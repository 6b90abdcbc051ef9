"""Who did what, and who was refused what: a file of lines for each of the three processes."""
