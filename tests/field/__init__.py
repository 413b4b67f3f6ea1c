"""What people's files do to the programs: cases from the field, as tables."""
