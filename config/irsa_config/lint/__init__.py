"""Lint rules: what is legal in a stack file, but likely an error. `RULES` is the registry."""

from collections.abc import Container, Mapping

from irsa.evaluation.lint import actions, managed_policies, wide_permissions
from irsa.evaluation.lint.rule import Danger, LintRule, Policies, rules_of, statements
from irsa.role import lint as of_roles
from irsa.rules.mistakes import Mistake, Place, nearest, shortened
from irsa_config.argument_places import place_of
from irsa_config.lint import add_ons, attached_policies, settings, trusted_subjects
from irsa_config.lint.checked import CheckedStack
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import Lint


def lint(checked: CheckedStack) -> list[LocatedMistake]:
    """Return the warnings of all rules."""
    warnings: list[LocatedMistake] = []
    judged: dict[str, list[LocatedMistake]] = {}
    judged_together: dict[tuple[str, ...], list[LocatedMistake]] = {}
    judging: dict[type, list[tuple[str, LintRule]]] = {}
    for name, rule in RULES.items():
        judging.setdefault(rule.judges, []).append((name, rule))

    def of(what: object, place: Place = ()) -> list[LocatedMistake]:
        return [
            LocatedMistake((*place, *inner), mistake, rule=name)
            for name, rule in judging.get(type(what), ())
            for inner, mistake in rule(what)
        ]

    for binding in checked.bindings.values():
        warnings += of(binding)
        warnings += [each._replace(place=(*binding.place, *place_of(each.place))) for each in of(binding.role)]
        for at, policy in attached_policies.managed_policies(binding):
            warnings += of(policy, at)
        contents: list[str] = []
        documents = binding.documents
        # A session policy gives nothing, so that it is not judged together with them.
        for source, document, written in [*documents, *binding.session_policies]:
            # Thousands of bindings may have one document.
            content = repr((document, written))
            contents.append(content)
            if content not in judged:
                judged[content] = [each for part, one in statements(document, written) for each in of(one, part)]
            warnings += [each._replace(place=(*source, "document", *each.place)) for each in judged[content]]
        together = tuple(contents)
        if together not in judged_together:
            judged_together[together] = of(Policies(*([each[at] for each in documents] for at in (1, 2))))
        for each in judged_together[together]:
            index, *place = each.place
            warnings.append(each._replace(place=(*documents[int(index)][0], "document", *place)))
    return warnings + of(checked)


def silence_reason(warning: LocatedMistake, settings: Lint, of_teams: Container[object] = ()) -> str | None:
    """Return the reason why a warning is silenced; None where it is not.

    In the bindings of teams, what the whole file accepts is not accepted.
    """
    silence = settings.silence.get(warning.rule)
    if silence is None:
        return None
    of_binding = warning.place[1] if warning.place[0] == "bindings" else None
    # For whom it is meant may not be known: then it is meant for nobody.
    of_all = not silence.bindings and of_binding not in of_teams
    is_meant = isinstance(silence.bindings, list) and (of_all or of_binding in silence.bindings)
    return silence.reason if is_meant and isinstance(silence.reason, str) else None


def fails(warning: LocatedMistake) -> bool:
    """Return whether `irsa check` fails by a warning that is not silenced."""
    return isinstance(warning.mistake, Danger)


def check_rule_name(name: str) -> str:
    """Return the name of a rule.

    Raises:
        Mistake: There is no such rule.
    """
    if name in RULES:
        return name
    raise Mistake(shortened(name), ", ".join(RULES), nearest(name, RULES, "name one of these"))


RULES: Mapping[str, LintRule] = rules_of(
    of_roles, trusted_subjects, wide_permissions, attached_policies, managed_policies, settings, actions, add_ons
)
