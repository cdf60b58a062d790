"""What Quorate decides: messages, arithmetic, state machines and jobs, without any input or output."""
