"""Strategies: who chooses precisions. `auto` searches placements within a budget.

request.py, arguments.py   what was asked for
space.py                   what may be chosen, op by op
sensitivity.py             the noise that each op adds in each precision, measured
latency.py                 the modelled time of a program
surrogate.py               both as sums, to propose placements
builder.py, evaluator.py   placements built and measured; evaluation_data.py has the samples
search.py, state.py        the search, and its log that it resumes from
pareto.py, timing.py       what a search reports
recipe.py, apply.py        its result, as rules
"""
