"""The keys of a binding, an add-on and a guard, each once: type, rule, default, meaning and example, for pydantic.

From them come the reading of both doors, `irsa/args.py`, the editors' schema and the tables of both references.
"""
