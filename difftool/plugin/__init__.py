"""The plugin door: what a plugin says of its parts, how plugins are found, and how their parts are looked up."""
