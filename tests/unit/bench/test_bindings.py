"""The size of a real organisation, as it was counted in the largest public user's configuration; and the floor's."""

from collections import Counter

from bench.bindings import declared, literal, numbered, real_size


def test_the_real_size() -> None:
    bindings = real_size()
    per_namespace = Counter(Counter(binding.namespace for binding in bindings).values())
    per_role = Counter(1 + len(binding.aws_policies) for binding in bindings)
    assert per_namespace == {1: 567, 2: 125, 3: 19, 4: 9, 5: 5, 6: 1, 7: 3, 36: 3}
    assert per_role == {1: 815, 2: 110, 3: 63, 4: 36, 5: 17, 6: 13, 8: 7, 9: 4, 10: 3, 11: 2}
    # Component, role, policy and service account of each; attachments; namespaces; the stack itself.
    assert 4 * len(bindings) + sum(count * roles for count, roles in per_role.items()) + 732 + 1 == 6688


def test_the_floor_has_the_bindings_of_the_stack_file() -> None:
    bindings = numbered(100, "irsa")
    floor, stack = literal(bindings), declared(bindings)["bindings"]
    assert [(each["name"], each["namespace"]) for each in floor] == [
        (each["serviceAccount"]["name"], each["serviceAccount"]["namespace"]) for each in stack.values()
    ]
    assert len(stack) == 100
    assert not any(each["policyArns"] or "createNamespace" in each["serviceAccount"] for each in stack.values())
