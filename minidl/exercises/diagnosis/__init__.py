"""Why an answer is wrong: mistakes are made on purpose, and the one that gives the same answer everywhere is named."""
