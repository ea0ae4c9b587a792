"""The core's conditioners: label, labels, number and vector (global vectors, which add),
channels.
"""
