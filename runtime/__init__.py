"""One device API over functional simulator, RTL simulator and board."""
