"""What is trained, how big, and how a run becomes a record (sections 4.2 to 4.8)."""
