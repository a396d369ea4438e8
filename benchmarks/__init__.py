"""Comparisons with the peers and with floors; ``make bench`` prints them all. Each figure is a ratio within one run."""
