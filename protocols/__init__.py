"""What Quorate decides: messages, arithmetic, state machines, jobs; no input, no output."""
