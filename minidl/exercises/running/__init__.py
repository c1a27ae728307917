"""Running a reader's function so that whatever it does ends in an answer or in a sentence."""
