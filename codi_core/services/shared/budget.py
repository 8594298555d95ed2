"""How much one request may ask of a server. The command line, and whoever uses the library, is not bounded."""

from __future__ import annotations

from codi_core.errors import BudgetError
from codi_core.services.shared.workbench import Workbench

Counted = tuple[str, str]
OF: Counted = ("question", "direction")


def check_budget(workbench: Workbench, command: str, questions: int, directions: int = 1, passes: int = 1, of: Counted = OF) -> None:
    """Raises BudgetError, with the ``command`` that does the large job, for more than the settings allow; to be called before anything is
    computed or drawn (`asked_of` tells how many questions a request means).

    ``directions``: conditions, sites or rows that each question is run under; 0 where only what is stored is looked for, which takes the
    questions themselves. A model without passes still runs once. ``of``: what the two count, where they are something else.
    """
    if not workbench.served:
        return
    settings, passes = workbench.settings, max(passes, 1)
    work = questions * directions * passes
    if settings.most_questions and questions > settings.most_questions:
        what = f"{_count(questions, of[0])}: this server takes up to {settings.most_questions:,} a request (CODI_MOST_QUESTIONS)"
    elif settings.most_work and work > settings.most_work:
        what = (
            f"{_count(questions, of[0])} × {_count(directions, of[1])} × "
            f"{passes} pass{'es' * (passes > 1)} = {work:,}: "
            f"this server computes up to {settings.most_work:,} of them a request (CODI_MOST_WORK)"
        )
    else:
        return
    raise BudgetError(f"{what}. Take fewer, or run it where you are alone: {command}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
