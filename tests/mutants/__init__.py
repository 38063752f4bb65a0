"""Mutants: one patch each, which removes a line that keeps an invariant of the delivery. A test has to notice.

`make mutants` applies each to a copy of the sources and runs the tests that its second line names; a mutant that survives
is a test that is missing. The first line says what is promised, with its number in the design of the delivery.
"""
