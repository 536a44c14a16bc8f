"""What is legal in an IAM document, but likely an error: for `irsa check`, and for a policy pack of your own.

from irsa.evaluation.lint.wide_permissions import write_everything
from irsa.evaluation.lint.rule import Policies

for (index_of_document, *place), mistake in write_everything(Policies(documents)):
    print(index_of_document, place, mistake)
"""
