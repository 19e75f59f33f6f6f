"""The recipes that `flows run NAME` finds: one YAML file each."""
