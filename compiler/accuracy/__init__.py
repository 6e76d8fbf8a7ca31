"""Where accuracy is lost: every layer of a quantized program beside the same layer in float.

pairs.py       the placed program by number, and its values in the quantized one
measure.py     errors of every value, as deployed and of its layer alone
causes.py      what an error comes from, and the rule that would mend it
document.py    a comparison as plain values, table and JSON
debug_info.py  what `compile --debug-info` puts into an artifact, so that it can be compared later
bisect.py      the op, and the pass, after which a compilation loses its accuracy
"""
