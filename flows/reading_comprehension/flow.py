"""Reading comprehension: questions of 43 types about a passage, each answered from the passage and checked.

AgentInstruct, section 3.1: nine transformations, of which one is drawn for a seed; the transformation decides which
types are eligible; refinement makes an item unanswerable, changes its answer, or makes it harder.
"""

from agentinstruct.flow import Flow
from agentinstruct.stages import GroundedAnswer, Judge, OneOf, PerType, Responder, SuggesterEditor, identity
from agentinstruct.verify import (
    agrees_with_writer,
    answer_changed,
    declines_when_unanswerable,
    is_permutation,
    one_key,
    quoted_from_passage,
)

flow = Flow(
    skill="Reading Comprehension",
    kinds=("text", "textbook"),
    transform=OneOf("transform/*", identity),
    instruct=PerType("question_types.toml", "question_writer", draw=4, each=1),
    refine=SuggesterEditor("refine/suggester", "refine/editor", goals="refine_goals.toml"),
    rounds=1,
    respond=Responder("responder", returns=GroundedAnswer),
    verify=[
        declines_when_unanswerable,
        one_key,
        is_permutation,
        quoted_from_passage,
        agrees_with_writer,
        answer_changed,
        Judge("judge", forms=("open",)),
    ],
)
