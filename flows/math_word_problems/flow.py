"""Math word problems: new problems from old ones, solved step by step, every answer verified.

Orca-Math, section 2: Ask Me Anything hides each number of a problem in turn, and the hidden number is the known
answer; Suggester and Editor make a problem more complex in two rounds, and two independent solutions must agree.
"""

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask, Flow
from agentinstruct.records import Instruction, Pair, Verdict
from agentinstruct.stages import Goal, Problem, Responder, SecondOpinion, SuggesterEditor, child_of, identity
from agentinstruct.verify import declines_when_unanswerable, matches_gold, same_number

from .ask_me_anything import seed_and_hidden_numbers

SEED, EDITED = "seed_problem", "suggester_editor"
LONGEST_SOLUTION = 1_800
"""Characters; an edited problem whose solution is longer is dropped (Orca-Math, section 2.1)."""


def more_complex(parent: Instruction, edit: Problem, goal: Goal, _ask: Ask) -> Instruction:
    """Return the edited problem; its answer is not known, so a second solution will have to agree."""
    problem = edit.problem.strip()
    if not edit.suitable or not problem:
        raise Rejected("irrelevant", goal.name)
    if problem == parent.text:
        raise Rejected("unchanged", problem)
    return child_of(parent, problem, goal=goal, type=EDITED, question=problem, expected=None)


def solution_not_too_long(pair: Pair, instruction: Instruction) -> Verdict | None:
    """Hold edited problems to solutions of a length a student can learn from."""
    if instruction.round == 0:
        return None
    length = len(pair.messages[-1].content or "")
    return Verdict(check="solution_not_too_long", passed=length <= LONGEST_SOLUTION, detail=f"{length} characters")


flow = Flow(
    skill="Math Word Problems",
    kinds=("math",),
    transform=identity,
    instruct=seed_and_hidden_numbers,
    refine=SuggesterEditor(
        "refine/suggester", "refine/editor", types=(SEED, EDITED), returns=Problem, apply=more_complex
    ),
    rounds=2,
    respond=Responder("solver"),
    verify=[
        declines_when_unanswerable,
        matches_gold,
        solution_not_too_long,
        SecondOpinion("second_solver", same=same_number),
    ],
)
