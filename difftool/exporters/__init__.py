"""Exporters: what a trained model may be written as."""
