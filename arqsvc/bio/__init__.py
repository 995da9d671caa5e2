"""Pure science that two families or more use."""
