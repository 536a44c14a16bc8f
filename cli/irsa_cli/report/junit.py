"""A report as JUnit XML."""

from collections import Counter
from xml.etree import ElementTree

from irsa.rules.mistakes import named, visible
from irsa_cli.report.checks import ALLOWED, UNANSWERED, Outcome, Report, by_binding
from irsa_cli.report.text import REASON, message_of

ELEMENTS = {Outcome.FINDING: "failure", **dict.fromkeys(UNANSWERED, "error"), **dict.fromkeys(ALLOWED, "skipped")}


def junit(report: Report) -> str:
    """Return the report as JUnit XML: one suite per binding."""
    root = ElementTree.Element("testsuites", name=f"irsa {report.subcommand} {named(report.stack)}")
    for binding, checks in by_binding(report.checks).items():
        counts = Counter(check.outcome for check in checks)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=named(binding),
            tests=str(len(checks)),
            failures=str(counts[Outcome.FINDING]),
            errors=str(sum(counts[each] for each in UNANSWERED)),
            skipped=str(sum(counts[each] for each in ALLOWED)),
        )
        for check in checks:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"irsa.{report.subcommand}.{named(binding)}",
                name=visible(f"{check.check}: {check.about}"),
            )
            element = ELEMENTS.get(check.outcome)
            if element:
                said = message_of([check])
                parts = [text if label == REASON else f"{label} {text}" for label, text in said.parts]
                parts += [f"fix: {said.command}"] if said.command else []
                failure = ElementTree.SubElement(case, element, message=visible(check.found) or check.outcome.value)
                failure.text = "; ".join(map(visible, (said.heading, *parts)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
