"""The component's schema, which stacks in other languages are generated from."""

from pulumi.provider.experimental.analyzer import Analyzer

from irsa import ServiceAccountRole


def test_the_schema_can_be_made_of_the_arguments() -> None:
    """Protects other languages: a Literal, a Union or postponed annotations in the arguments break the analyzer."""
    definition = Analyzer("irsa").analyze([ServiceAccountRole])["component_definitions"]["ServiceAccountRole"]

    assert {"serviceAccount", "roleArn", "oidcProviderArns", "policy", "policyArns", "subjects"} <= set(
        definition.inputs
    )
    assert set(definition.outputs) == {
        "roleArn",
        "roleName",
        "policyArns",
        "subjects",
        "namespace",
        "serviceAccountName",
        "annotations",
    }
    assert definition.inputs["serviceAccount"].description
