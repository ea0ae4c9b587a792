"""Observers that show a run in a tracker."""
