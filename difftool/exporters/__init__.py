"""Exporters: file formats of trained models."""
