"""The command ``export``: inference models, compared with the network."""
