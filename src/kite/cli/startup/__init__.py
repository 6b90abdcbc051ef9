"""What a start-up waited for, from the steps that were written down."""
