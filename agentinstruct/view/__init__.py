"""What a person looks at in a terminal: progress, the summary of a run, and a seed's tree."""
