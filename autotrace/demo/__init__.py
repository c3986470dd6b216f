"""Three sample applications on real servers, traced, and what was recorded of them."""
