"""The dependencies of a project, and the ways to draw them."""
