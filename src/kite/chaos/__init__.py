"""Breaks a Kite on purpose, by a seed, and looks from outside whether it keeps what it promises."""
