"""From tensor expressions down to instruction streams."""
