"""Practice: the student solves, is marked, and learns from its own right and wrong replies (Orca-Math, section 2.3).

It may know fitting and the verbs of the library, since judging is a run of its own.
"""

from agentinstruct.training.practice.metrics import TRAINED
from agentinstruct.training.practice.practise import Server, train_practice
from agentinstruct.training.practice.problems import read_problems
from agentinstruct.training.practice.sampling import Student
from agentinstruct.training.practice.served import judge_all, solve_all

__all__ = [
    "TRAINED",
    "Server",
    "Student",
    "judge_all",
    "read_problems",
    "solve_all",
    "train_practice",
]
