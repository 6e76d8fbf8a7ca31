"""From the `kernel` dialect to kernel calls: one emitter per callee, by op family.

An emitter reads what one `kernel.call` says (a `CallSite`) and asks the planner functions of
`runtime.kernels` for the table rows that do it. The arithmetic constants it passes on
(multipliers, bounds) are those of `runtime.reference`.
"""
