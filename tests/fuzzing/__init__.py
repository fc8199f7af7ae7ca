"""Broken files in, and what became of each: the fuzzer of decoding, prediction and weights (docs/development.md).

``bases`` makes small whole files, ``boxes`` finds the numbers inside their structure, ``mutate`` breaks them,
``worker`` reads them in a process of its own, ``watch`` keeps that process within memory and time, ``campaign`` counts.
"""

__all__: list[str] = []
