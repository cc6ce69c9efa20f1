"""The meaning of text: what a person wrote, what they answered, what must not be seen. Pure: values in, values out."""
