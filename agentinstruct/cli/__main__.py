"""`python -m agentinstruct.cli`, for where the script is not on the path."""

from agentinstruct.cli import main

main()
