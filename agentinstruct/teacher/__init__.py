"""The teacher stack: clients of models, and the layers that make them safe to ask ten thousand times."""
