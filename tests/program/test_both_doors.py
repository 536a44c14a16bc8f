"""The stack file and the component: what one refuses the other refuses, at the same place, whatever the value."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from irsa.add_ons.catalog import names
from irsa.fields import OF_A_ROLE, Field, Keyed, KeyGroup, KeyList, Node, group_of, node_at
from irsa.keys.binding import AddOnKeys
from irsa.rules.mistakes import Located, Place
from irsa.rules.names import snake
from irsa.spec import read
from irsa.ways import IRSA, POD_IDENTITY
from irsa_config.argument_places import place_of
from irsa_config.defaults import identity_in
from irsa_config.located_mistake import LocatedMistake
from irsa_program.examine import examine
from irsa_program.lookups.values import AwsIdentity, Lookups, ResolvedCluster, needs_of
from irsa_program.plan import plan
from tests.fuzz.mutations import BY_KEY, VALUES
from tests.places import put

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
BUCKET = "arn:aws:s3:::"
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}my-bucket/*"}
DOCUMENT: dict[str, Any] = {"Version": "2012-10-17", "Statement": [STATEMENT]}
CLUSTER_ARN = "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster"
CLUSTER = {"name": "my-cluster", "oidcIssuer": f"https://{PROVIDER.split('/', 1)[1]}", "oidcProviderArn": PROVIDER}
BINDING: dict[str, Any] = {
    "serviceAccount": {"name": "my-app"},
    "policy": {"document": DOCUMENT},
    "role": {"name": "my-role"},
}
TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
THEIRS = "arn:aws:iam::444455556666:role/r"
NAMED, TAGGED = {"name": "my-role"}, {f"t{i}": "" for i in range(51)}
MANAGED = [f"arn:aws:iam::aws:policy/P{i}" for i in range(11)]
MANY = [f"ns-{i}:{'x' * 60}" for i in range(60)]
QUOTAS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"
TAGS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"
ELEMENTS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html"
OPERATORS = f"{ELEMENTS.removesuffix('.html')}_condition_operators.html"
CREATE_POLICY = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html"
OWN = "docs/stack-file.md"
PODS = "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"
ABAC = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"
TARGET = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"
ASSOCIATION = "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html"


def allowing(**elements: Any) -> dict[str, Any]:
    return {**DOCUMENT, "Statement": [{**STATEMENT, **elements}]}


def divided(name: str) -> dict[str, Any]:
    """Return a policy of two parts: the name of the second one ends with -2."""
    parts = [{**STATEMENT, "Action": f"s3:{action}", "Resource": BUCKET + "x" * 3000} for action in "ABC"]
    return {"name": name, "document": {**DOCUMENT, "Statement": parts}}


def trusting(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"trust": {"statements": [*statements]}}


def conditional(**condition: Any) -> dict[str, Any]:
    return {"trust": {"conditions": condition}}


def tagged(tags: dict[str, str]) -> dict[str, Any]:
    return {"role": {**NAMED, "tags": tags}}


def policy(**settings: Any) -> dict[str, Any]:
    return {"policy": settings}


def by_pods(identity: Any = "podIdentity", **settings: Any) -> dict[str, Any]:
    return {"identity": identity, **({"podIdentity": settings} if settings else {})}


def inline(name: str, document: dict[str, Any]) -> dict[str, Any]:
    return {"inlinePolicies": {name: {"document": document}}}


def add_ons(*several: dict[str, Any]) -> dict[str, Any]:
    return {"policies": [*several]}


DNS = {"addOn": "external-dns", "hostedZones": ["Z123"]}
# A rule; the keys of the binding; where the mistake is in it, and a word of it; where the rule comes from.
CASES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("a name or a prefix", {"role": {**NAMED, "namePrefix": "my-"}}, "role.namePrefix", "both", OWN),
    ("an existing role has its name", {"role": {**NAMED, "arn": THEIRS}}, "role.arn", "together with", OWN),
    ("an existing role keeps its permissions", {"role": {"arn": THEIRS}, "assumeRoleArns": [THEIRS]},
     "role.arn", "ssume", OWN),
    ("what is not created has no labels", {"serviceAccount": {"name": "a", "create": False, "labels": {"a": "b"}}},
     "serviceAccount.create", "labels", OWN),
    ("what is not created is not imported",
     {"serviceAccount": {"name": "a", "create": False}, "import": ["serviceAccount"]}, "import.0", "", OWN),
    ("a policy is imported by its name", {"import": ["policy"]}, "import.0", "name", OWN),
    ("every service account is asked for in so many words",
     {"trust": {"subjects": ["a:b", "*:*"]}}, "trust.subjects.1", "every service account", OWN),
    ("an add-on reaches what is named", add_ons({"addOn": "external-dns"}), "policies.0", "without", OWN),
    ("or everything, in so many words", add_ons({**DNS, "scope": "*"}), "policies.0.scope", "together with", OWN),
    ("an ARN of the role's partition", add_ons({**DNS, "hostedZones": ["arn:aws-cn:route53:::hostedzone/Z1"]}),
     "policies.0.hostedZones.0", "aws-cn", "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"),
    ("a parameter of that add-on", add_ons({**DNS, "push": True}), "policies.0.push", "push", OWN),
    ("each add-on once", add_ons(DNS, {"addOn": "velero", "buckets": ["abc"]}, DNS), "policies.2.addOn", "also", OWN),
    ("one of several parameters", add_ons({"addOn": "external-secrets"}), "policies.0", "ssm", OWN),
    ("a scope where there is one", add_ons({"addOn": "adot", "scope": "*"}), "policies.0.scope", "does not have", OWN),
    ("a document or an add-on", policy(**DNS, document=DOCUMENT), "policy", "both", OWN),
    ("a parameter of an add-on", policy(hostedZones=["Z1"], document=DOCUMENT), "policy.hostedZones", "", OWN),
    ("AWS's policy has its name", policy(addOn="adot", name="x"), "policy.name", "AWSXrayWriteOnlyAccess", OWN),
    ("the name of the policy that assumes roles", {"assumeRoleArns": [THEIRS], **inline("assume-roles", DOCUMENT)},
     "inlinePolicies.assume-roles", "ssume", OWN),
    # EKS Pod Identity
    ("a way that no Pod uses", by_pods({"irsa": "trusted"}), "identity", "no role", PODS),
    ("Pod Identity has no wildcards", {**by_pods(), "trust": {"subjects": ["a:*"]}},
     "trust.subjects.0", "wildcards", PODS),
    ("Pod Identity has no audience", {**by_pods(), "audience": "x"}, "audience", "without IRSA", PODS),
    ("settings of an association without one", by_pods("irsa", tags={"a": "b"}),
     "podIdentity", "without Pod Identity", PODS),
    ("a session policy needs sessions without tags", by_pods(policy={"document": DOCUMENT}),
     "podIdentity.policy", "session policy", ASSOCIATION),
    ("no request has tags while they are off",
     {**by_pods(sessionTags=False), **conditional(StringEquals={"aws:RequestTag/kubernetes-pod-name": "a"})},
     "trust.conditions", "session tags are off", ABAC),
    ("irsa writes the condition on the namespace itself",
     {**by_pods(), **conditional(StringEquals={"aws:requesttag/kubernetes-namespace": "a"})},
     "trust.conditions", "writes itself", ABAC),
    ("no request of IRSA has a tag",
     {**by_pods("both"), **conditional(StringEquals={"aws:RequestTag/kubernetes-pod-name": "a"})},
     "trust.conditions", "no request of IRSA", ABAC),
    ("no request of Pod Identity has a claim",
     {**by_pods("both"), **conditional(StringEquals={f"{PROVIDER.split('/', 1)[1]}:amr": "a"})},
     "trust.conditions", "no request of Pod Identity", ABAC),
    ("a role of another AWS account is a target role", {**by_pods(), "role": {"arn": THEIRS}},
     "role.arn", "another AWS account", TARGET),
    ("an ID of an association is of a cluster", by_pods(importIds={"blue": "a-1"}),
     "podIdentity.importIds.blue", "not the key of a cluster", OWN),
    ("characters of a trust policy", {"trust": {"subjects": MANY}},
     "trust.subjects", "characters of the trust policy", QUOTAS),
    ("attached policies", {"policyArns": MANAGED}, "policyArns", "managed policies of the role: 12", QUOTAS),
    ("characters of a managed policy",
     policy(document=allowing(Resource=f"{BUCKET}{'x' * 6200}")), "policy.document.Statement", "statement 0", QUOTAS),
    ("characters of inline policies",
     inline("a", allowing(Resource=f"{BUCKET}{'x' * 11000}")), "inlinePolicies", "characters", QUOTAS),
    ("a divided policy's name of 127 characters",
     policy(**divided("x" * 127)), "policy.name", "has 129 characters", CREATE_POLICY),
    ("a divided policy's name of 128 characters",
     policy(**divided("x" * 128)), "policy.name", "has 130 characters", CREATE_POLICY),
    ("a role's tag keys ignore case", tagged({"Team": "a", "team": "b"}), "role.tags.team", "Team", TAGS),
    ("the condition on sub is irsa's own", conditional(StringLike={"x:sub": "a"}), "trust.conditions", "sub", OWN),
    ("one Sid once", trusting({**TRUST, "Sid": "A"}, {**TRUST, "Sid": "A"}), "trust.statements.1.Sid", "A", ELEMENTS),
]  # fmt: skip
# What is nearly a mistake, and is none.
GOOD: list[tuple[str, dict[str, Any], str]] = [
    ("a policy's tag keys differ by case", policy(document=DOCUMENT, tags={"Team": "a", "team": "b"}), TAGS),
    ("a divided policy's name of 126 characters", policy(**divided("x" * 126)), CREATE_POLICY),
]


def as_arguments(value: Any, node: Node | None = OF_A_ROLE) -> Any:
    """Return keys of a binding as arguments: below a value of its own, keys are the user's."""
    if isinstance(node, Keyed) and isinstance(value, list):
        value = {f"key-{index}": each for index, each in enumerate(value)}
    if isinstance(node, KeyGroup) and isinstance(value, dict):
        names = {key: "import_" if key == "import" else snake(key) for key in value}
        return {names[key]: as_arguments(each, node.fields.get(names[key])) for key, each in value.items()}
    if isinstance(node, Keyed) and isinstance(value, dict):
        return {key: as_arguments(each, node.item) for key, each in value.items()}
    return [as_arguments(each, node.item) for each in value] if isinstance(node, KeyList) else value


ARGS: dict[str, Any] = {"oidc_provider_arns": [PROVIDER], **as_arguments(BINDING)}


def component_mistakes(args: dict[str, Any]) -> Sequence[Located]:
    ways = identity_in({"identity": args.get("identity", "irsa")})
    # A stack file has each cluster's ARN where it is needed, and its OIDC provider.
    if POD_IDENTITY in ways.trusted:
        args = {"cluster_arns": {"cluster": CLUSTER_ARN}, **args}
    if IRSA not in ways.trusted:
        args = {name: value for name, value in args.items() if name != "oidc_provider_arns"}
    return read("my-app", args)[1]


def stack_file_mistakes(*bindings: dict[str, Any], **values: Any) -> Sequence[LocatedMistake]:
    """Return the mistakes of bindings, each with a service account of its own."""
    keyed = {f"my-app{n or ''}": each for n, each in enumerate(bindings)}
    return examine({"cluster": CLUSTER, "bindings": keyed, **values}, Path("/nowhere"), "us-west-2").mistakes


@pytest.mark.parametrize(("keys", "place", "word", "source"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_both_refuse(keys: dict[str, Any], place: str, word: str, source: str) -> None:
    refused, refused_too = component_mistakes({**ARGS, **as_arguments(keys)}), stack_file_mistakes({**BINDING, **keys})

    places = {".".join(map(str, place_of(at))) for at, _ in refused}
    assert place in places, source
    assert places == {".".join(map(str, each.place[2:])) for each in refused_too}, source
    for mistakes in ([each for _, each in refused], [each.mistake for each in refused_too]):
        assert any(word in each.found for each in mistakes), source


@pytest.mark.parametrize(("keys", "source"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_both_take(keys: dict[str, Any], source: str) -> None:
    assert not component_mistakes({**ARGS, **as_arguments(keys)}), source
    assert stack_file_mistakes({**BINDING, **keys}) == [], source


# --- any value in any argument ---------------------------------------------------------------------------------------

# A stack file says them for the whole stack, or in another shape.
ELSEWHERE = {("role", "arn"), ("oidc_provider_arns",), ("cluster_arns",), ("policy_arns",), ("quotas",)}


def arguments(node: Node = OF_A_ROLE, place: Place = ()) -> Iterator[Place]:
    """Yield the places of arguments, those in a mapping of arguments too."""
    for name, each in node.fields.items() if isinstance(node, KeyGroup) else ():
        if (*place, name) not in ELSEWHERE:
            yield (*place, name)
            yield from arguments(each, (*place, name))


ARGUMENTS = [*arguments()]
ARNS = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-cn:iam::111122223333:policy/p", "arn:aws:iam::1:policy/p"]
TEXTS = st.one_of(st.sampled_from([*ARNS, "*:*", "a:b", "é"]), st.text(alphabet="aZ09-_.:/*? é;\n", max_size=12))
PLAIN = st.one_of(TEXTS, st.booleans(), st.integers(-1, 50_000))
ANY = st.one_of(PLAIN, st.lists(TEXTS, max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=2))
WAYS = ["irsa", "both", "podIdentity", {"irsa": "trusted"}, {"irsa": "trusted", "podIdentity": "used"}, {"irsa": "x"}]


def values(argument: Place) -> st.SearchStrategy[Any]:
    """Return values of an argument, those that reach its rules and any, without a stack file's variables."""
    known = WAYS if argument == ("identity",) else BY_KEY.get(str(place_of(argument)[-1]), ())
    # A stack file has a mistake of its own for an item without a value.
    plain = [each for each in (*known, *VALUES) if "${" not in str(each) and each != [None]]
    return st.one_of(st.sampled_from(plain), ANY)


PARAMETERS_OF_ADD_ONS = st.fixed_dictionaries(
    {},
    optional={
        to_camel(name): st.one_of(
            st.sampled_from([True, False, "*", [], ["*"], ["Z123"], ["my-bucket"], ["my-bucket", "a*"], "Z123", 5]),
            st.lists(st.sampled_from([*ARNS, "Z1", "fs-01234567", "arn:aws-cn:s3:::b-c"]), max_size=2),
        )
        for name in group_of(AddOnKeys).fields
        if name != "add_on"
    },
)
ONE_ARGUMENT = st.sampled_from(ARGUMENTS).flatmap(lambda argument: st.tuples(st.just(argument), values(argument)))


@settings(max_examples=400)
@given(case=ONE_ARGUMENT)
@example((("service_account", "labels"), {"a b": "c"}))
@example((("audience",), ""))
@example((("import_",), ["x", "x"]))
def test_one_argument(case: tuple[Place, Any]) -> None:
    argument, value = case
    refused = component_mistakes(put(ARGS, argument, value))
    refused_too = stack_file_mistakes(put(BINDING, place_of(argument), value))

    places = {place_of(place) for place, _ in refused}
    places_too = {mistake.place[2:] for mistake in refused_too}
    # What is missing in a mapping of arguments, the stack file places at its own key.
    # A document as JSON text is for a program only, so a stack file refuses it as a whole.
    is_text = argument[-1] == "document" and isinstance(value, str)
    is_one = isinstance(node_at(argument), Field) and not is_text
    same = places == places_too if is_one else bool(places) == bool(places_too)
    assert same, f"component: {refused or 'takes it'}\nstack file: {refused_too or 'takes it'}"


@settings(max_examples=150)
@given(name=st.sampled_from([*names(), "nothing"]), keys=PARAMETERS_OF_ADD_ONS, single=st.booleans())
def test_one_add_on(name: str, keys: dict[str, Any], single: bool) -> None:
    keys = {"addOn": name, **keys}
    binding = {**BINDING, "identity": "both", **(policy(**keys) if single else add_ons(keys))}
    # A stack file knows the names of its clusters.
    refused = component_mistakes({**ARGS, "cluster_arns": {"cluster": CLUSTER_ARN}, **as_arguments(binding)})
    refused_too = stack_file_mistakes(binding)

    assert {place_of(place) for place, _ in refused} == {mistake.place[2:] for mistake in refused_too}


@given(
    what=st.sampled_from(["inlinePolicies", "policyArns", "podIdentity"]),
    key=TEXTS,
    value=st.one_of(st.sampled_from([*ARNS, DOCUMENT]), PLAIN),
)
def test_one_policy(what: str, key: str, value: Any) -> None:
    keys = {
        "inlinePolicies": inline(key, value),
        "policyArns": {"policyArns": [value]},
        "podIdentity": by_pods(policy={"document": value}, sessionTags=False),
    }[what]
    refused, refused_too = component_mistakes({**ARGS, **as_arguments(keys)}), stack_file_mistakes({**BINDING, **keys})

    assert bool(refused) == bool(refused_too), (
        f"component: {refused or 'takes it'}\nstack file: {refused_too or 'takes it'}"
    )


# --- of the stack file alone -----------------------------------------------------------------------------------------


def test_a_tag_of_the_defaults_counts() -> None:
    binding = {**BINDING, "role": {**NAMED, "tags": {"team": "b"}}}
    (mistake,) = stack_file_mistakes(binding, defaults={"tags": {"Team": "a"}})
    assert mistake.place == ("bindings", "my-app", "role", "tags", "team")

    (mistake,) = stack_file_mistakes(BINDING, defaults={"tags": {"Team": "a", "team": "b"}})
    assert mistake.place == ("defaults", "tags", "team")


# AWS accounts by their keys, None for the stack's own, and their numbers; None where only a look-up knows it.
ASSUMED = {key: {"assumeRoleArn": f"arn:aws:iam::{each * 12}:role/r"} for key, each in (("a", "1"), ("b", "2"))}
WRITTEN_ACCOUNTS = {**ASSUMED, "c": {"profile": "c"}, "d": {"profile": "d"}}
NUMBERS = ["1" * 12, "2" * 12]
KEYS = st.sampled_from([None, *WRITTEN_ACCOUNTS])


class World(NamedTuple):
    """The numbers of AWS accounts, as look-ups find them, and those that a stack file has."""

    numbers: dict[str | None, str]
    written: dict[str | None, str]

    def file(self, **values: Any) -> dict[str, Any]:
        return {"accounts": WRITTEN_ACCOUNTS, "cluster": {"name": "my-cluster"}, **values}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return AWS accounts, of which several keys may have one number."""
    own, c, d = (draw(st.sampled_from(NUMBERS)) for _ in range(3))
    numbers: dict[str | None, str] = {None: own, "a": NUMBERS[0], "b": NUMBERS[1], "c": c, "d": d}
    unwritten = {"c", "d"} | (set() if draw(st.booleans()) else {None})
    return World(numbers, {key: number for key, number in numbers.items() if key not in unwritten})


def judged(world: World, values: dict[str, Any]) -> tuple[set[Place], set[Place]]:
    """Return where the mistakes are before anything is looked up, and when what `pulumi up` looks up is known."""
    allowed = [world.written[None]] if None in world.written else None
    examined = examine(values, Path("/nowhere"), "us-west-2", allowed=allowed)
    stack = examined.settings.stack
    asked = needs_of(stack, examined.bindings).account_ids
    known = {key: AwsIdentity(number, "aws") if key in asked else None for key, number in world.numbers.items()}
    arn = CLUSTER_ARN.replace("111122223333", world.numbers[stack.clusters_by_key["cluster"].aws_account])
    found = Lookups(
        "us-west-2",
        known,
        {"cluster": ResolvedCluster(CLUSTER["oidcIssuer"], arn)},
        {("cluster", key): PROVIDER.replace("111122223333", number) for key, number in world.numbers.items()},
    )
    return {each.place for each in examined.mistakes}, {each.place for each in plan(stack, found).mistakes}


@given(world=worlds(), of_role=KEYS, of_cluster=KEYS, ways=st.sampled_from(["irsa", "both", "podIdentity"]))
def test_a_role_of_another_account_than_the_cluster(
    world: World, of_role: str | None, of_cluster: str | None, ways: str
) -> None:
    """Protects from an `up` that stops when policy and role are there: EKS demands a role in the cluster's AWS account.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    binding = {**BINDING, "identity": ways, **({"account": of_role} if of_role else {})}
    cluster = {"name": "my-cluster", **({"account": of_cluster} if of_cluster else {})}
    before, after = judged(world, world.file(cluster=cluster, bindings={"app": binding}))

    wrong = {("bindings", "app", "clusters")}
    elsewhere = ways != "irsa" and world.numbers[of_role] != world.numbers[of_cluster]
    assert after == (wrong if elsewhere else set())
    assert before == (wrong if elsewhere and {of_role, of_cluster} <= world.written.keys() else set())


@given(
    world=worlds(),
    keys=st.tuples(KEYS, KEYS),
    names=st.tuples(st.sampled_from(["app", "App"]), st.sampled_from(["app", "APP", "other"])),
    kind=st.sampled_from(["role", "policy"]),
)
def test_two_bindings_with_one_role(
    world: World, keys: tuple[str | None, str | None], names: tuple[str, str], kind: str
) -> None:
    """Protects from two owners, by whichever keys: names are "not distinguished by case" in one AWS account.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    bindings = {
        name: {
            "trust": {"subjects": [f"a:{name}"]},
            kind: {"name": written, **({"document": DOCUMENT} if kind == "policy" else {})},
            **({"account": key} if key else {}),
        }
        for name, key, written in zip(("one", "two"), keys, names, strict=True)
    }
    before, after = judged(world, world.file(bindings=bindings))

    wrong = {("bindings", "two", kind, "name")} if names[0].lower() == names[1].lower() else set()
    is_written = keys[0] == keys[1] or {*keys} <= world.written.keys()
    one = world.numbers[keys[0]] == world.numbers[keys[1]]
    assert after == (wrong if one else set())
    assert before == (wrong if one and is_written else set())


def test_a_role_by_a_variable_is_not_judged_by_a_sample() -> None:
    values = {"accounts": ASSUMED, "cluster": {"name": "my-cluster", "account": "b"}}
    binding = {"serviceAccount": {"name": "a"}, "role": {"arn": "arn:aws:iam::${account}:role/r"}, "identity": "both"}
    assert not examine({**values, "bindings": {"app": binding}}, Path("/nowhere"), "us-west-2").mistakes


def test_a_divided_policys_name_that_is_taken() -> None:
    """The attack: another binding's policy, or the part of another one, has the name of a second part."""
    first = {"trust": {"subjects": ["a:b"]}, "policy": divided("app")}
    other = {"trust": {"subjects": ["a:c"]}, "policy": divided("other")}

    (mistake,) = stack_file_mistakes(first, {**other, "policy": {"name": "App-2", "document": DOCUMENT}})
    assert "'app-2' is already used by irsa:bindings.my-app1" in mistake.mistake.found
    assert stack_file_mistakes(first, other) == []
