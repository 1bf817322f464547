"""What every test may use; modules beside this file (`videos`) can be imported by name."""
