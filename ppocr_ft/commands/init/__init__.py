"""The command ``init``: the configs of the package in a folder of the user's."""
