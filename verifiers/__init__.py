"""(completion, reference) -> verdict. Depends on nothing else of the project and can be lifted out whole.

One module a verifier: `math`, `choice`, `code`, `json_schema`, `pattern`, `length`, and the package
`instructions`; `registry` finds them by name. Below them: `extraction` and `answers` find and normalise what
a completion answers, `expressions` reads and compares mathematics, `execution` runs programs behind walls,
and `workers` are processes that can be killed.
"""
