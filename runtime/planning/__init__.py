"""Planning of memory: which bytes of the arena each buffer of a program takes.

One planner serves the compiler (`plan-memory`) and the runtime, which plans anew for other
input sizes and proves every plan before it may run.
"""
