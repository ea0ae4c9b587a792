"""Networks: functions of x, c_noise, signals and a mask, which know no sigma, formulation or
modality.
"""
