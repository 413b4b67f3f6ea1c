"""Data (section 4.1): photographs, masks, named sets, fixed evaluation pairs, training samples."""
