"""What passes share that scale channels of a value up and of another down."""
