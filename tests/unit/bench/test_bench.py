from bench.bindings import declared, literal, numbered
from bench.figures import PAGE, page, read


def test_the_floor_has_the_bindings_of_the_stack_file() -> None:
    bindings = numbered(100, "irsa")
    floor, stack = literal(bindings), declared(bindings)["bindings"]
    assert [(each["name"], each["namespace"]) for each in floor] == [
        (each["serviceAccount"]["name"], each["serviceAccount"]["namespace"]) for each in stack.values()
    ]
    assert len(stack) == 100
    assert not any(each["policyArns"] or "createNamespace" in each["serviceAccount"] for each in stack.values())


def test_the_page_is_that_of_the_results() -> None:
    assert read()
    assert PAGE.read_text() == page(read())
