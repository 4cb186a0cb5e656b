"""What happens when a person does something or when it is time to; knows no platform."""
