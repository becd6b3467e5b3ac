"""Random programs: generated, run on two devices, compared, and shrunk where the devices differ."""
