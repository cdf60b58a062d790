"""The demonstration: digits at five owners, with a killed trainer and a lost share-holder."""
