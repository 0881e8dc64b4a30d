"""The stand-ins for APNs and Google in one process, and the simulated phones that live by them.

What they know lives as long as the process: who registered, what was shown, what Google holds.
"""
