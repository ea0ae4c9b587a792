"""What is done with runs and models: trained, resumed, sampled, measured.

Nothing here prints; it tells a ``Reporter``.
"""
