"""What campaigns add to the words of templates."""
