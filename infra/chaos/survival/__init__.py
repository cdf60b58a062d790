"""What became of a scenario: stories, figures, and the reports that show them."""
