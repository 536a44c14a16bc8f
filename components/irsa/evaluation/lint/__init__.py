"""What is legal in an IAM document, but likely an error: for `irsa check`, and for a policy pack of your own.

    from irsa.evaluation.lint import permissions, policies

    of_role = policies.Policies([document])
    for place, mistake in permissions.write_everything(of_role):
        print(place, mistake)

A place begins with the index of the document. The modules are `actions` (rules about a statement), `permissions`,
`managed_policies` and `trust`.
"""
