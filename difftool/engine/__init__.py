"""The engine: one training loop and one sampling loop for everything.

It meets processes and samplers only inside a Stage.
"""
