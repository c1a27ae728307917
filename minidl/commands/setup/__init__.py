"""Common parts of the commands: options, their checks, and the construction of data, transforms and loss from settings."""
