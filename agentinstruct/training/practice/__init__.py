"""Practice: the student solves, is marked, and learns from its own right and wrong replies (Orca-Math, section 2.3).

It may know fitting and the verbs of the library, since judging is a run of its own.
"""

from agentinstruct.training.practice.metrics import TRAINED
from agentinstruct.training.practice.practise import Server, train_practice
from agentinstruct.training.practice.problems import read_problems
from agentinstruct.training.practice.round import Unread
from agentinstruct.training.practice.sampling import Student
from agentinstruct.training.practice.served import ServedStudent, TeacherJudge

__all__ = [
    "TRAINED",
    "ServedStudent",
    "Server",
    "Student",
    "TeacherJudge",
    "Unread",
    "read_problems",
    "train_practice",
]
