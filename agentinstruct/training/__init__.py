"""Teaches a student: reads conversations, renders and checks them, and hands them to trl with a recipe's settings."""
