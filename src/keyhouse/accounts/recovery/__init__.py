"""Ways back into an account, each of which ends on hold: cases, words for each other, first enrolment, thawing."""
