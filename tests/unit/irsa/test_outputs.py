"""Names in the state, which later versions must read: https://www.pulumi.com/docs/iac/concepts/resources/names/."""

from hypothesis import given
from hypothesis import strategies as st

from irsa import outputs

# Characters of the keys of a stack file, with which the name of a component starts.
KEYS = st.text("ab-_+=,.9", min_size=1, max_size=12)


@given(KEYS, st.one_of(st.just(""), KEYS))
def test_a_components_name_leads_back_to_binding_and_cluster(binding: str, cluster: str) -> None:
    assert outputs.binding_and_cluster(outputs.component_name(binding, cluster)) == (binding, cluster)


@given(KEYS, KEYS, st.integers(0, 9), st.integers(0, 9))
def test_no_two_children_have_one_name(component: str, key: str, first: int, second: int) -> None:
    """Protects from two resources of one name, at which the engine stops."""
    assert outputs.part_name(component, 0) == component
    assert (outputs.part_name(component, first) == outputs.part_name(component, second)) == (first == second)
    assert outputs.child_name(component, key) != component
    assert outputs.child_name(component, key).startswith(f"{component}@")
