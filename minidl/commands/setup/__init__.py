"""What the commands share: their options, the checks of these, and the way from settings to data, transforms and loss."""
